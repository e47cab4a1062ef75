//! How a message travels: base64, its line breaks, the encoding of characters, what stands around the root.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use vestibule_saml::Rule;

use super::Group;
use super::forge::{Placement, replaced, sealed};

pub(crate) fn fill(group: &mut Group) -> anyhow::Result<()> {
    for placement in Placement::ALL {
        let xml = sealed(placement)?.to_xml();
        genuine(group, placement.name(), &xml)?;
        parameters(group, placement.name(), &xml);
        around(group, placement.name(), &xml)?;
    }
    Ok(())
}

fn genuine(group: &mut Group, place: &str, xml: &str) -> anyhow::Result<()> {
    let base64 = STANDARD.encode(xml);
    for (name, width, end) in [("lf", 64, "\n"), ("crlf", 76, "\r\n"), ("spaces", 10, " ")] {
        let lines: Vec<String> = base64
            .as_bytes()
            .chunks(width)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        let wrapped = format!("{}{end}", lines.join(end));
        group.accept_parameter(&format!("base64/wrapped-{name}-{place}"), wrapped);
    }
    for (name, declaration) in [
        ("plain", "<?xml version=\"1.0\"?>"),
        ("utf-8", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"),
        ("lower-case", "<?xml version='1.0' encoding='utf-8'?>\r\n"),
        (
            "standalone",
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n",
        ),
    ] {
        group.accept(
            &format!("declaration/{name}-{place}"),
            &format!("{declaration}{xml}"),
        );
    }
    group.accept(
        &format!("around/white-space-{place}"),
        &format!("\n \t{xml}\r\n "),
    );
    // Line ends are read as one character before anything is digested (XML 1.0 §2.11).
    let quoted = xml.replace("=\"", "  =\t'").replace('"', "'");
    group.accept(&format!("tags/other-quotes-and-spaces-{place}"), &quoted);
    let broken = xml
        .replace("\">", "\"\r\n>")
        .replace("\" ", "\"\r\n ")
        .replace("</saml:NameID>", "</saml:NameID\r\n>");
    group.accept(&format!("tags/line-breaks-inside-{place}"), &broken);
    let spelled = replaced(xml, ">ada-0001<", ">&#97;d&#x61;-0001<")?;
    group.accept(&format!("references/in-text-{place}"), &spelled);
    let spelled = replaced(xml, "=\"email\"", "=\"em&#x61;il\"")?;
    group.accept(&format!("references/in-a-value-{place}"), &spelled);
    let (before, after) = xml.split_at(xml.find("<saml:SubjectConfirmationData").unwrap_or(0));
    let closed = replaced(after, "/>", "></saml:SubjectConfirmationData>")?;
    let closed = format!("{before}{closed}");
    group.accept(&format!("tags/empty-{place}"), &closed);
    Ok(())
}

fn parameters(group: &mut Group, place: &str, xml: &str) {
    let usual = group.usual.clone();
    let base64 = STANDARD.encode(xml);
    // One character more, so that there is padding to leave out.
    let padded = [xml, &format!("{xml} "), &format!("{xml}  ")]
        .into_iter()
        .find(|text| text.len() % 3 != 0)
        .unwrap_or(xml)
        .to_owned();
    let mut utf16: Vec<u8> = vec![0xFF, 0xFE];
    utf16.extend(xml.encode_utf16().flat_map(u16::to_le_bytes));
    let mut big: Vec<u8> = vec![0xFE, 0xFF];
    big.extend(xml.encode_utf16().flat_map(u16::to_be_bytes));
    let invalid = |octets: &[u8]| {
        let mut text = xml.as_bytes().to_vec();
        let at = xml.find("ada-0001").unwrap_or(0);
        text.splice(at..at, octets.iter().copied());
        STANDARD.encode(text)
    };
    for (name, parameter) in [
        ("empty", String::new()),
        ("white-space", " \r\n".to_owned()),
        ("not-base64", xml.to_owned()),
        ("without-padding", STANDARD_NO_PAD.encode(&padded)),
        (
            "url-alphabet",
            URL_SAFE.encode(format!("{xml}<é>ÿÿÿ~~~???>>>")),
        ),
        ("trailing-character", format!("{base64}*")),
        ("form-feed", format!("{base64}\u{c}")),
        ("no-break-space", format!("{base64}\u{a0}")),
        ("inner-padding", format!("{}====", STANDARD.encode(&padded))),
        ("twice", STANDARD.encode(&padded).repeat(2)),
        ("percent-encoded", base64.replace('=', "%3D") + "%0A"),
        ("utf-16-le", STANDARD.encode(&utf16)),
        ("utf-16-be", STANDARD.encode(&big)),
        ("latin-1", invalid(&[0xE9])),
        ("overlong", invalid(&[0xC0, 0xBC])),
        ("surrogate", invalid(&[0xED, 0xA0, 0x80])),
        ("cut-character", invalid(&[0xE2, 0x82])),
        ("beyond-unicode", invalid(&[0xF4, 0x90, 0x80, 0x80])),
    ] {
        let name = format!("parameter/{name}-{place}");
        group.refuse_parameter(&name, usual.clone(), &[Rule::Encoding], parameter);
    }
    let utf16_without_mark: Vec<u8> = xml.encode_utf16().flat_map(u16::to_le_bytes).collect();
    group.refuse_parameter(
        &format!("parameter/utf-16-without-mark-{place}"),
        usual.clone(),
        &[Rule::Xml],
        STANDARD.encode(utf16_without_mark),
    );
    let deflated = vestibule_simulate::saml::deflate(xml).unwrap_or_default();
    group.refuse_parameter(
        &format!("parameter/deflated-{place}"),
        usual,
        &[Rule::Encoding],
        STANDARD.encode(deflated),
    );
}

/// Text and elements around the root, and declarations that change the meaning of octets.
fn around(group: &mut Group, place: &str, xml: &str) -> anyhow::Result<()> {
    let other = replaced(xml, "ID=\"_response-1\"", "ID=\"_response-2\"")?;
    for (name, text) in [
        ("byte-order-mark", format!("\u{feff}{xml}")),
        ("leading-text", format!("x{xml}")),
        ("trailing-text", format!("{xml}x")),
        ("trailing-zero", format!("{xml}\0")),
        ("trailing-tag", format!("{xml}<x/>")),
        ("trailing-end-tag", format!("{xml}</x>")),
        ("trailing-reference", format!("{xml}&#32;")),
        ("two-roots", format!("{xml}{other}")),
        ("cut", xml.strip_suffix('>').unwrap_or_default().to_owned()),
        (
            "cut-end-tag",
            xml.rsplit_once("</").unwrap_or_default().0.to_owned(),
        ),
        ("version-1.1", format!("<?xml version=\"1.1\"?>{xml}")),
        (
            "utf-7",
            format!("<?xml version=\"1.0\" encoding=\"UTF-7\"?>{xml}"),
        ),
        (
            "iso-8859-1",
            format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>{xml}"),
        ),
        (
            "utf-16",
            format!("<?xml version=\"1.0\" encoding=\"UTF-16\"?>{xml}"),
        ),
        ("late-declaration", format!(" <?xml version=\"1.0\"?>{xml}")),
        (
            "two-declarations",
            format!("<?xml version=\"1.0\"?><?xml version=\"1.0\"?>{xml}"),
        ),
        (
            "trailing-declaration",
            format!("{xml}<?xml version=\"1.0\"?>"),
        ),
        (
            "odd-declaration",
            format!("<?xml encoding=\"UTF-8\" version=\"1.0\"?>{xml}"),
        ),
        ("no-version", format!("<?xml ?>{xml}")),
        (
            "upper-case-declaration",
            format!("<?XML version=\"1.0\"?>{xml}"),
        ),
        (
            "control-character",
            replaced(xml, ">ada-0001<", ">ada\u{1}-0001<")?,
        ),
        (
            "control-reference",
            replaced(xml, ">ada-0001<", ">ada&#1;-0001<")?,
        ),
        (
            "zero-reference",
            replaced(xml, ">ada-0001<", ">ada&#0;-0001<")?,
        ),
        (
            "surrogate-reference",
            replaced(xml, ">ada-0001<", ">ada&#xD800;-0001<")?,
        ),
        (
            "not-a-character",
            replaced(xml, ">ada-0001<", ">ada\u{fffe}-0001<")?,
        ),
        ("bare-ampersand", replaced(xml, ">ada-0001<", ">ada & b<")?),
        (
            "unknown-entity",
            replaced(xml, ">ada-0001<", ">ada&eacute;<")?,
        ),
        ("open-reference", replaced(xml, ">ada-0001<", ">ada&amp<")?),
        ("section-end", replaced(xml, ">ada-0001<", ">ada]]><")?),
        (
            "upper-hex-mark",
            replaced(xml, ">ada-0001<", ">ada&#X41;<")?,
        ),
    ] {
        group.refuse(&format!("around/{name}-{place}"), &[Rule::Xml], &text);
    }
    Ok(())
}
