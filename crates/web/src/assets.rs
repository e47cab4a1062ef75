//! What pages load, all of it from our own host: the style, a script, an organization's color and its logo.

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use vestibule_core::{Color, OrganizationId};

use crate::{Web, failure::OAuthFailure, now::Now};

const STYLE: &str = include_str!("../templates/people/style.css");
const FORWARD: &str = include_str!("../templates/people/forward.js");
/// Names the style, so that browsers may keep it for good and get the next one at once.
const STYLE_VERSION: u64 = fingerprint(STYLE.as_bytes());

/// What has its content in its address.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// The grounds of `style.css` on which links and edges stand, those that are nearest to the other scheme.
const LIGHT_GROUND: Color = Color::new(0xf5, 0xf6, 0xf9);
const DARK_GROUND: Color = Color::new(0x1f, 0x24, 0x2d);

/// Routes of what pages load.
pub(crate) fn router() -> Router<Web> {
    Router::new()
        .route("/assets/people.css", get(style))
        .route("/assets/people/{version}", get(style))
        .route("/assets/forward.js", get(forward))
        .route("/assets/accent/{color}", get(accent))
        .route("/assets/logo/{organization}/{logo}", get(logo))
}

/// Where the style is.
pub(crate) fn style_path() -> String {
    format!("/assets/people/{STYLE_VERSION:016x}.css")
}

/// Where the style sheet of a color is.
pub(crate) fn accent_path(color: Color) -> String {
    let color = color.to_string();
    format!("/assets/accent/{}.css", color.trim_start_matches('#'))
}

/// Where a logo is.
pub(crate) fn logo_path(organization_id: OrganizationId, logo_id: &str) -> String {
    format!("/assets/logo/{organization_id}/{logo_id}")
}

async fn style() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, FOREVER),
    ];
    (headers, STYLE)
}

async fn forward() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ];
    (headers, FORWARD)
}

/// `GET /assets/accent/3355d1.css`: nothing is looked up, the address says it all.
async fn accent(Path(file): Path<String>) -> Response {
    let color = file
        .strip_suffix(".css")
        .and_then(|digits| format!("#{digits}").parse().ok());
    let Some(color) = color else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, FOREVER),
    ];
    (headers, accent_style(color)).into_response()
}

/// The color of buttons is the organization's own; links and edges are as near to it as reading allows.
fn accent_style(color: Color) -> String {
    let scheme = |ground: Color| {
        let link = color.readable_on(ground);
        let edge = match color.stands_out_from(ground) {
            true => color,
            false => link,
        };
        format!(
            "--accent:{color};--accent-strong:{};--on-accent:{};--edge:{edge};--link:{link}",
            color.pressed(),
            color.text_on()
        )
    };
    format!(
        ":root{{{}}}\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n",
        scheme(LIGHT_GROUND),
        scheme(DARK_GROUND)
    )
}

/// `GET /assets/logo/{organization}/{logo}`: an image that somebody else made, so it may do nothing even if opened alone.
async fn logo(
    State(web): State<Web>,
    Now(now): Now,
    Path((organization, logo)): Path<(String, String)>,
) -> Result<Response, OAuthFailure> {
    let Ok(organization_id) = organization.parse() else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    let found = web.engine.logo_image(organization_id, &logo, now).await?;
    let Some((media_type, image)) = found else {
        return Ok(StatusCode::NOT_FOUND.into_response());
    };
    let mut response = image.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, FOREVER),
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(media_type) = HeaderValue::from_str(&media_type) {
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    Ok(response)
}

/// FNV-1a, which a compiler can compute: it tells one style from the next and guards nothing.
const fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut rest = bytes;
    while let [byte, more @ ..] = rest {
        hash = (hash ^ *byte as u64).wrapping_mul(0x0100_0000_01b3);
        rest = more;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grounds_are_those_of_the_style() {
        let sunken = format!("--sunken: {LIGHT_GROUND};");
        assert!(STYLE.contains(&sunken), "{sunken}");
        let sunken = format!("--sunken: {DARK_GROUND};");
        assert!(STYLE.contains(&sunken), "{sunken}");
    }

    #[test]
    fn a_color_that_cannot_be_read_changes_only_where_it_is_text() {
        let style = accent_style(Color::new(0xff, 0xd4, 0x00));
        assert!(
            style.contains("--accent:#ffd400;--accent-strong:"),
            "{style}"
        );
        assert!(style.contains("--on-accent:#000000"), "{style}");
        let (light, dark) = style.split_once("@media").unwrap();
        assert!(!light.contains("--link:#ffd400"), "{light}");
        assert!(dark.contains("--link:#ffd400"), "{dark}");
    }
}
