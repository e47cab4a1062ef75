//! An organization's logo: which images are taken, and how one is set.

use std::fmt::Write as _;

use serde_json::json;
use vestibule_core::{OrganizationId, Resource, SecretHash, Timestamp};
use vestibule_store::Logo;

use super::{OrganizationDetails, audit};
use crate::{
    Engine,
    admin::{Actor, AdminError, Result, locked},
};

/// Larger images make pages slow.
const LARGEST: usize = 256 * 1024;
/// A picture of few bytes may have very many pixels, which a browser has to hold.
const WIDEST: u32 = 2048;

impl Engine {
    /// Gives an organization the logo that its pages show, a PNG, JPEG or WebP image.
    ///
    /// What it is says the image itself, whatever it was sent as: SVG and whatever else browsers run are not taken.
    pub async fn set_organization_logo(
        &self,
        actor: &Actor,
        id: OrganizationId,
        image: &[u8],
        now: Timestamp,
    ) -> Result<OrganizationDetails> {
        actor.may_write(Resource::Organizations)?;
        let mut tx = self.store().write(now).await?;
        let mut organization = locked(&mut tx, actor, id).await?;
        let logo = read(image)?;
        tx.set_logo(id, &logo, image).await?;
        let data = json!({ "logo": logo.id, "media_type": logo.media_type });
        audit(&mut tx, actor, "organization.logo", id, data).await?;
        organization.brand.logo = Some(logo);
        organization.updated_at = now;
        let details = OrganizationDetails::read(&mut tx, organization).await?;
        tx.commit().await?;
        Ok(details)
    }

    /// Takes an organization's logo away.
    pub async fn remove_organization_logo(
        &self,
        actor: &Actor,
        id: OrganizationId,
        now: Timestamp,
    ) -> Result<()> {
        actor.may_write(Resource::Organizations)?;
        let mut tx = self.store().write(now).await?;
        locked(&mut tx, actor, id).await?;
        if !tx.remove_logo(id).await? {
            return Err(AdminError::NotFound);
        }
        audit(
            &mut tx,
            actor,
            "organization.logo",
            id,
            json!({ "logo": null }),
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

fn read(image: &[u8]) -> Result<Logo> {
    let refused = |detail: &str| Err(AdminError::invalid("logo", detail));
    if image.len() > LARGEST {
        return refused("must have at most 256 KiB");
    }
    let Some((media_type, width, height)) = recognized(image) else {
        return refused("must be a PNG, JPEG or WebP image");
    };
    if !(1..=WIDEST).contains(&width) || !(1..=WIDEST).contains(&height) {
        return refused("must be at most 2048 pixels wide and high");
    }
    let mut id = String::with_capacity(32);
    for byte in SecretHash::of(image).as_bytes().iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    Ok(Logo {
        id,
        media_type: media_type.to_owned(),
        width: i64::from(width),
        height: i64::from(height),
    })
}

/// The media type, width and height of an image, from its first bytes.
fn recognized(image: &[u8]) -> Option<(&'static str, u32, u32)> {
    if let Some(rest) = image.strip_prefix(b"\x89PNG\r\n\x1a\n") {
        // The first chunk is IHDR (PNG §5.6): length, name, width, height.
        let header = rest.strip_prefix(b"\x00\x00\x00\x0dIHDR")?;
        return Some(("image/png", big(header, 0, 4)?, big(header, 4, 4)?));
    }
    if image.starts_with(b"\xff\xd8\xff") {
        let (width, height) = jpeg(image.get(2..)?)?;
        return Some(("image/jpeg", width, height));
    }
    let webp = image.strip_prefix(b"RIFF")?.get(4..)?;
    let (width, height) = webp_size(webp.strip_prefix(b"WEBP")?)?;
    Some(("image/webp", width, height))
}

/// Walks the segments up to the frame header, which has the size (ITU-T T.81 §B.2.2).
fn jpeg(mut segments: &[u8]) -> Option<(u32, u32)> {
    loop {
        let marker = *segments.strip_prefix(b"\xff")?.first()?;
        match marker {
            // A fill byte.
            0xff => segments = segments.get(1..)?,
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                return Some((big(segments, 7, 2)?, big(segments, 5, 2)?));
            }
            // The picture itself, its end, or a marker without a length: there was no frame header before.
            0x00..=0x01 | 0xd0..=0xda => return None,
            _ => {
                let length = usize::try_from(big(segments, 2, 2)?).ok()?;
                segments = segments.get(2 + length.max(2)..)?;
            }
        }
    }
}

/// The size in the first chunk (RFC 9649 §2.5, §2.6, §2.7).
fn webp_size(chunk: &[u8]) -> Option<(u32, u32)> {
    let body = chunk.get(8..)?;
    match chunk.get(..4)? {
        b"VP8X" => Some((little(body, 4, 3)? + 1, little(body, 7, 3)? + 1)),
        b"VP8L" => {
            let packed = little(body.strip_prefix(b"\x2f")?, 0, 4)?;
            Some(((packed & 0x3fff) + 1, (packed >> 14 & 0x3fff) + 1))
        }
        b"VP8 " => {
            let frame = body.get(3..)?.strip_prefix(b"\x9d\x01\x2a")?;
            Some((little(frame, 0, 2)? & 0x3fff, little(frame, 2, 2)? & 0x3fff))
        }
        _ => None,
    }
}

fn big(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(
        bytes
            .iter()
            .fold(0, |value, byte| value << 8 | u32::from(*byte)),
    )
}

fn little(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(length)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u32::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut image = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR".to_vec();
        image.extend(width.to_be_bytes());
        image.extend(height.to_be_bytes());
        image
    }

    const JPEG: &[u8] =
        b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc4\x00\x03x\xff\xc2\x00\x0b\x08\x00\x20\x01\x00\x03";
    const WEBP: &[u8] =
        b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\xff\x00\x00\x1f\x00\x00";
    const LOSSLESS: &[u8] = b"RIFF\x00\x00\x00\x00WEBPVP8L\x05\x00\x00\x00\x2f\xff\xc0\x07\x00";
    const LOSSY: &[u8] =
        b"RIFF\x00\x00\x00\x00WEBPVP8 \x0a\x00\x00\x00\x00\x00\x00\x9d\x01\x2a\x00\x01\x20\x00";

    #[test]
    fn images_are_known_by_what_they_are() {
        assert_eq!(recognized(&png(256, 32)), Some(("image/png", 256, 32)));
        assert_eq!(recognized(JPEG), Some(("image/jpeg", 256, 32)));
        for webp in [WEBP, LOSSLESS, LOSSY] {
            assert_eq!(recognized(webp), Some(("image/webp", 256, 32)), "{webp:?}");
        }
    }

    #[test]
    fn what_browsers_run_or_cannot_bear_is_refused() {
        let gif = b"GIF89a\x01\x00\x01\x00".to_vec();
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>".to_vec();
        let mut heavy = png(10, 10);
        heavy.resize(LARGEST + 1, 0);
        for bad in [
            Vec::new(),
            gif,
            svg,
            b"<!doctype html>".to_vec(),
            heavy,
            png(0, 10),
            png(10, 2049),
            png(u32::MAX, 1),
            // The picture begins and no size was named.
            b"\xff\xd8\xff\xda\x00\x02".to_vec(),
        ] {
            assert!(read(&bad).is_err(), "{bad:?}");
        }
        assert!(read(&png(2048, 2048)).is_ok());
    }

    #[test]
    fn no_beginning_of_an_image_makes_the_reader_fail() {
        for image in [&png(3, 3)[..], JPEG, WEBP, LOSSLESS, LOSSY] {
            for end in 0..image.len() {
                let _ = recognized(&image[..end]);
            }
            for at in 0..image.len() {
                for byte in [0, 1, 0x7f, 0xff] {
                    let mut broken = image.to_vec();
                    broken[at] = byte;
                    let _ = recognized(&broken);
                }
            }
        }
    }

    #[test]
    fn another_image_has_another_id() {
        let one = read(&png(3, 3)).unwrap();
        assert_eq!(one.id.len(), 32);
        assert_ne!(one.id, read(&png(3, 4)).unwrap().id);
    }
}
