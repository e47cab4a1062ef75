use axum::{Router, http::header, response::IntoResponse, routing::get};

use crate::Web;

const STYLE: &str = include_str!("../templates/people/style.css");
const FORWARD: &str = include_str!("../templates/people/forward.js");

/// What pages load; all of it from here.
pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/assets/people.css", get(style))
        .route("/assets/forward.js", get(forward))
}

async fn style() -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "text/css; charset=utf-8"),
            (header::CACHE_CONTROL, "public, max-age=3600"),
        ],
        STYLE,
    )
}

async fn forward() -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
            (header::CACHE_CONTROL, "public, max-age=3600"),
        ],
        FORWARD,
    )
}
