//! A real browser: Chromium without a screen, driven by chromedriver (W3C WebDriver) over plain HTTP.

use std::{
    io::{BufRead, BufReader, Read as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use crate::server::http_client;

/// Names of the two programs, as distributions install them.
const BROWSERS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];
const DRIVER: &str = "chromedriver";
const ATTEMPTS_TO_START: usize = 5;
/// How long a page may take to show what is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// The name under which WebDriver hides an element's id (W3C WebDriver §12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One browser with a profile of its own; both are gone when it is dropped.
#[derive(Debug)]
pub struct WebBrowser {
    driver: Child,
    session: String,
    http: reqwest::Client,
    _profile: TempDir,
}

impl WebBrowser {
    /// Starts a browser; none, with the reason printed, where the machine has no Chromium or no chromedriver.
    pub async fn start() -> Option<Self> {
        let Some(chromium) = BROWSERS.into_iter().find_map(find) else {
            eprintln!("skipped: there is no Chromium on this machine");
            return None;
        };
        let Some(driver) = find(DRIVER) else {
            eprintln!(
                "skipped: there is no chromedriver on this machine (Debian: chromium-driver)"
            );
            return None;
        };
        let (driver, address) = start_driver(&driver);
        let profile = tempfile::tempdir().expect("a folder for the browser's profile");
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--ignore-certificate-errors",
            "--window-size=1280,900",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let options = json!({ "binary": chromium, "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options } } });
        let http = http_client();
        let mut browser = Self {
            driver,
            session: format!("{address}/session"),
            http,
            _profile: profile,
        };
        let started = browser.call(Method::POST, "", &wanted).await;
        let id = started["sessionId"].as_str().expect("a session id");
        browser.session = format!("{address}/session/{id}");
        Some(browser)
    }

    /// Opens an address as if it was typed.
    pub async fn open(&self, url: &str) {
        self.call(Method::POST, "/url", &json!({ "url": url }))
            .await;
    }

    /// Loads the page again.
    pub async fn reload(&self) {
        self.call(Method::POST, "/refresh", &json!({})).await;
    }

    /// Where the browser is.
    pub async fn url(&self) -> Url {
        let url = self.call(Method::GET, "/url", &Value::Null).await;
        url.as_str()
            .and_then(|url| url.parse().ok())
            .expect("a URL")
    }

    /// The text that a person sees.
    pub async fn text(&self) -> String {
        let script =
            json!({ "script": "return document.body ? document.body.innerText : ''", "args": [] });
        let text = self.call(Method::POST, "/execute/sync", &script).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Types into the field that a CSS selector names, once it is there; what stood there goes.
    pub async fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.call(
            Method::POST,
            &format!("/element/{element}/clear"),
            &json!({}),
        )
        .await;
        self.call(
            Method::POST,
            &format!("/element/{element}/value"),
            &json!({ "text": text }),
        )
        .await;
    }

    /// Clicks what a CSS selector names, once it is there.
    pub async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        self.call(
            Method::POST,
            &format!("/element/{element}/click"),
            &json!({}),
        )
        .await;
    }

    /// Waits until the page shows a text.
    pub async fn shows(&self, wanted: &str) {
        let begun = Instant::now();
        loop {
            let text = self.text().await;
            if text.contains(wanted) {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "{} does not show “{wanted}” but: {text}",
                self.url().await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The cookies that the present page's requests carry: objects with `name`, `secure`, `httpOnly`, `sameSite`, `path`.
    pub async fn cookies(&self) -> Vec<Value> {
        let cookies = self.call(Method::GET, "/cookie", &Value::Null).await;
        cookies.as_array().cloned().unwrap_or_default()
    }

    /// Forgets the cookies of every site, as a browser that was never here.
    pub async fn forget_cookies(&self) {
        self.command("Network.clearBrowserCookies", &json!({}))
            .await;
    }

    /// Whether pages run their scripts from now on.
    pub async fn run_scripts(&self, run: bool) {
        let command = "Emulation.setScriptExecutionDisabled";
        self.command(command, &json!({ "value": !run })).await;
    }

    /// A picture of the page, as PNG.
    pub async fn screenshot(&self) -> Vec<u8> {
        let picture = self.call(Method::GET, "/screenshot", &Value::Null).await;
        STANDARD
            .decode(picture.as_str().unwrap_or_default())
            .expect("base64")
    }

    /// A command of the Chrome DevTools Protocol.
    async fn command(&self, name: &str, parameters: &Value) {
        let command = json!({ "cmd": name, "params": parameters });
        self.call(Method::POST, "/goog/cdp/execute", &command).await;
    }

    async fn element(&self, selector: &str) -> String {
        let begun = Instant::now();
        let wanted = json!({ "using": "css selector", "value": selector });
        loop {
            match self.ask(Method::POST, "/element", &wanted).await {
                Ok(found) => return found[ELEMENT].as_str().expect("an element").to_owned(),
                Err(error) => {
                    assert!(
                        begun.elapsed() < PATIENCE,
                        "{} has no {selector}: {error}\n{}",
                        self.url().await,
                        self.text().await
                    );
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Value {
        let answered = self.ask(method, path, body).await;
        answered.unwrap_or_else(|error| panic!("the browser refuses {path}: {error}"))
    }

    async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let mut request = self.http.request(method, format!("{}{path}", self.session));
        if !body.is_null() {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let response = request.send().await.expect("chromedriver answers");
        let succeeded = response.status().is_success();
        let text = response
            .text()
            .await
            .expect("chromedriver's answer is complete");
        let mut answer: Value = serde_json::from_str(&text).expect("chromedriver answers in JSON");
        let value = answer["value"].take();
        match succeeded {
            true => Ok(value),
            false => Err(format!("{}: {}", value["error"], value["message"])),
        }
    }
}

impl Drop for WebBrowser {
    fn drop(&mut self) {
        // The driver leads a process group of its own, and the browser is in it.
        let group = format!("-{}", self.driver.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.driver.wait();
    }
}

/// Starts chromedriver on a free port, and reads from its output which one that is.
///
/// It picks the port for one family of addresses and then needs the same one for the other, which another process may
/// hold; then it ends, and is started again.
fn start_driver(path: &Path) -> (Child, String) {
    let mut printed = String::new();
    for _ in 0..ATTEMPTS_TO_START {
        let mut driver = Command::new(path)
            .arg("--port=0")
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let mut output = BufReader::new(driver.stdout.take().expect("chromedriver's output"));
        printed.clear();
        if let Some(port) = port_in(&mut output, &mut printed) {
            std::thread::spawn(move || output.read_to_end(&mut Vec::new()));
            return (driver, format!("http://127.0.0.1:{port}"));
        }
        driver.wait().expect("chromedriver has ended");
    }
    panic!("chromedriver ended without naming its port {ATTEMPTS_TO_START} times:\n{printed}");
}

/// The port that chromedriver says it listens on; none where its output ends before that.
fn port_in(output: &mut impl BufRead, printed: &mut String) -> Option<u16> {
    loop {
        let start = printed.len();
        let read = output.read_line(printed).expect("chromedriver prints text");
        if read == 0 {
            return None;
        }
        let line = printed[start..].trim().trim_end_matches('.');
        if let Some((_, port)) = line.rsplit_once("on port ")
            && let Ok(port @ 1..) = port.parse()
        {
            return Some(port);
        }
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
