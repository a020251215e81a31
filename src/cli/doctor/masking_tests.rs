use super::*;
use crate::license::KeyPair;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn knowing(secret: &str) -> Masking {
    let mut masking = Masking::default();
    masking.know(secret);
    masking
}

#[test]
fn a_known_secret_is_masked_in_every_form() {
    let secret = "correct horse battery";
    let hex = hex(secret.as_bytes());
    let forms = [
        secret.to_owned(),
        BASE64_STANDARD.encode(secret),
        BASE64_URL_SAFE_NO_PAD.encode(secret),
        hex.to_uppercase(),
        hex,
    ];
    let masking = knowing(secret);
    for form in &forms {
        let masked = masking.mask(&format!("a {form} b"));
        assert!(masked.starts_with("a [masked]") && masked.ends_with(" b"), "{masked}");
        assert!(!masked.contains(form.trim_end_matches('=')), "{masked}");
    }
    assert_eq!(masking.mask("nothing of it"), "nothing of it");
}

#[test]
fn a_key_is_masked_in_its_file_and_out_of_it() {
    let key = KeyPair::generate().unwrap();
    let pem = key.to_pem().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("environment.key");
    fs::write(&path, pem.as_bytes()).unwrap();
    let mut masking = Masking::default();
    masking.know_file(&path);
    let body = pem.lines().nth(1).unwrap();
    let bytes =
        BASE64_STANDARD.decode(pem.lines().filter(|l| !l.contains("--")).collect::<String>());
    let seed = &bytes.unwrap()[16..48];
    let hex = hex(seed);
    for form in [body.to_owned(), BASE64_STANDARD_NO_PAD.encode(seed), hex] {
        assert!(!masking.mask(&format!("x {form} y")).contains(&form), "{form}");
    }
    // Where it is not known, by what stands around it.
    let masked = Masking::default().mask(&format!("a {} b", pem.as_str()));
    assert!(!masked.contains(body) && masked.starts_with("a -----BEGIN"), "{masked}");
    assert!(masked.ends_with(" b"), "{masked}");
}

#[test]
fn an_activation_code_is_masked_however_it_is_typed() {
    let code = ActivationCode::from_content(&[7; 16]);
    let text = code.expose();
    let masking = Masking { codes: vec![code.clone()], ..Masking::default() };
    let forgiving = text.replace('0', "O").replace('1', "l");
    for typed in [
        text.clone(),
        text.to_lowercase(),
        text.replace('.', ""),
        text.replace('.', "-"),
        text.replace('.', " ").to_lowercase(),
        forgiving,
    ] {
        let masked = masking.mask(&format!("before {typed} and {typed}, after"));
        let wanted = format!("before {0} and {0}, after", code.masked());
        assert_eq!(masked, wanted, "{typed}");
    }
    // One that nobody knows here.
    for typed in [text.clone(), text.replace('.', "").to_lowercase()] {
        assert_eq!(Masking::default().mask(&format!("({typed})")), format!("({})", code.masked()));
    }
    let other = "5.10.0-30 192.0.2.1 0CD-MJA-298-PZ0-P7X-638-7DG-JFT sha256";
    assert_eq!(masking.mask(other), other);
}

#[test]
fn what_looks_like_a_secret_is_masked() {
    let masking = Masking::default();
    for (text, masked) in [
        ("http://user:pa@ss@proxy:3128/x", "http://[masked]@proxy:3128/x"),
        ("https://portal.example/a@b", "https://portal.example/a@b"),
        ("whsec_AAAA+/==, then", "whsec_[masked], then"),
        ("Authorization: Basic dXNlcjpwYXNz\n", "Authorization: Basic [masked]\n"),
        ("Basic facts", "Basic facts"),
        ("entitled-join-AAAAAAAAAAAAAAAAAAAA.", "entitled-join-[masked]."),
    ] {
        assert_eq!(masking.mask(text), masked);
    }
}

#[test]
fn passwords_and_receivers_of_the_settings_are_known() {
    let mut masking = Masking::default();
    masking.know_password("http://operator:hunter%402hunter@proxy:3128");
    masking.know_receiver("https://hooks.example/services/T0000/XyZzY123456");
    let told = "hunter@2hunter hunter%402hunter XyZzY123456 b3BlcmF0b3I6aHVudGVyQDJodW50ZXI=";
    let masked = masking.mask(told);
    for secret in ["hunter", "XyZzY", "b3BlcmF0b3I6"] {
        assert!(!masked.contains(secret), "{masked}");
    }
}
