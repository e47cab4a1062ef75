use super::*;

fn key() -> RefreshTokenKey {
    RefreshTokenKey::new([7; 32])
}

#[test]
fn every_token_comes_back_with_its_hash() {
    for seed in 0..=u8::MAX {
        let generation = u32::from(seed).wrapping_mul(0x0101_0101);
        let issued = key().issue([seed; 16], generation);
        let opened = key().open(issued.secret().expose()).unwrap();
        assert_eq!(opened.session_id(), [seed; 16]);
        assert_eq!(opened.generation(), generation);
        assert_eq!(opened.hash(), issued.hash());
    }
}

#[test]
fn successor_is_always_the_same() {
    let token = key().issue([1; 16], 0);
    let first = key().successor(&token).unwrap();
    let again = key()
        .successor(&key().open(token.secret().expose()).unwrap())
        .unwrap();
    assert_eq!(first.secret().expose(), again.secret().expose());
    assert_eq!(first.generation(), 1);
    assert_ne!(first.hash(), token.hash());
    assert!(key().successor(&key().issue([1; 16], u32::MAX)).is_none());
}

#[test]
fn no_changed_bit_is_accepted() {
    let issued = key().issue([5; 16], 5);
    let text = issued.secret().expose();
    let bytes = from_base64url(&text[4..]).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(
            key()
                .open(&format!("vrt_{}", base64url(&changed)))
                .is_none(),
            "{bit}"
        );
    }
    for end in 0..text.len() {
        assert!(key().open(&text[..end]).is_none(), "{end}");
    }
    for bad in [
        format!("{text}A"),
        format!("{text}="),
        text.replace("vrt_", "vat_"),
        String::new(),
    ] {
        assert!(key().open(&bad).is_none(), "{bad}");
    }
}

#[test]
fn keys_and_kinds_do_not_mix() {
    let issued = key().issue([5; 16], 5);
    assert!(
        RefreshTokenKey::new([8; 32])
            .open(issued.secret().expose())
            .is_none()
    );
    // The same key bytes in both codecs by mistake: the labels keep them apart.
    let access = crate::access_token::AccessTokenKey::new([7; 32]);
    let renamed = issued.secret().expose().replace("vrt_", "vat_");
    assert_eq!(access.open(&renamed), None);
}

#[test]
fn debug_shows_neither_token_nor_key() {
    let issued = key().issue([5; 16], 5);
    let debug = format!("{issued:?} {:?}", key());
    assert!(
        !debug.contains("vrt_") && debug.ends_with("RefreshTokenKey(…)"),
        "{debug}"
    );
}
