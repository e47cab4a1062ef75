//! Files that are written by the code they describe.

use std::path::PathBuf;

use anyhow::Context;

use crate::process;

/// Writes docs/openapi.json.
pub(crate) fn write() -> anyhow::Result<()> {
    let place = place();
    let document = document()?;
    std::fs::create_dir_all(process::root().join("docs"))?;
    std::fs::write(&place, document)
        .with_context(|| format!("{} cannot be written", place.display()))?;
    println!("wrote docs/openapi.json");
    Ok(())
}

/// Whether docs/openapi.json is what the code says today.
pub(crate) fn violations() -> anyhow::Result<Vec<String>> {
    let committed = std::fs::read_to_string(place()).unwrap_or_default();
    if committed == document()? {
        return Ok(Vec::new());
    }
    Ok(vec![
        "docs/openapi.json is not what the code says: run `cargo xtask gen`".to_owned(),
    ])
}

fn place() -> PathBuf {
    process::root().join("docs/openapi.json")
}

/// The document as the server prints it, in one form: sorted keys, two spaces, a final newline.
fn document() -> anyhow::Result<String> {
    let printed = process::output(process::cargo().args([
        "run",
        "--quiet",
        "--locked",
        "--package",
        "vestibule",
        "--",
        "openapi",
    ]))?;
    format(&printed)
}

fn format(printed: &str) -> anyhow::Result<String> {
    let document: serde_json::Value =
        serde_json::from_str(printed).context("`vestibule openapi` printed no JSON")?;
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_one_form() {
        let one = format(r#"{"paths":{},"openapi":"3.1.0"}"#).expect("JSON");
        let other = format("{\n \"openapi\": \"3.1.0\", \"paths\": {}}\n").expect("JSON");
        assert_eq!(one, other);
        assert!(one.ends_with("}\n"));
        assert!(format("Error: no such command").is_err());
    }
}
