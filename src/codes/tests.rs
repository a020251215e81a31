//! Properties of both codes, over random codes and exhaustively over the places of one.

use super::{ActivationCode, CodeError, CodeKind, SerialNumber};
use proptest::prelude::*;

const ALPHABET: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

fn serial(seed: &[u8]) -> String {
    SerialNumber::mint("test", &format!("{seed:?}")).to_string()
}

/// Each text that differs from `text` in one symbol.
fn wrong_symbols(text: &str) -> impl Iterator<Item = String> {
    text.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).flat_map(move |(i, c)| {
        ALPHABET.chars().filter(move |a| *a != c).map(move |a| {
            let mut wrong = text.to_owned();
            wrong.replace_range(i..=i, a.encode_utf8(&mut [0; 4]));
            wrong
        })
    })
}

/// Each text that differs from `text` by a swap of two symbols, neighbours or not.
fn swaps(text: &str) -> impl Iterator<Item = String> {
    let places: Vec<usize> =
        text.char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()).map(|(i, _)| i).collect();
    places.clone().into_iter().flat_map(move |i| {
        let chars: Vec<char> = text.chars().collect();
        places.clone().into_iter().filter(move |j| i < *j).filter_map(move |j| {
            let mut swapped = chars.clone();
            swapped.swap(i, j);
            (swapped != chars).then(|| swapped.into_iter().collect())
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_wrong_symbol_of_a_serial_number_is_caught(seed: [u8; 8]) {
        let text = serial(&seed);
        for wrong in wrong_symbols(&text) {
            prop_assert!(wrong.parse::<SerialNumber>().is_err(), "{} for {}", wrong, text);
        }
    }

    #[test]
    fn every_swap_in_a_serial_number_is_caught(seed: [u8; 8]) {
        let text = serial(&seed);
        for wrong in swaps(&text) {
            prop_assert!(wrong.parse::<SerialNumber>().is_err(), "{} for {}", wrong, text);
        }
    }

    #[test]
    fn every_wrong_symbol_and_swap_of_an_activation_code_is_caught(content: [u8; 16]) {
        let text = ActivationCode::from_content(&content).expose();
        for wrong in wrong_symbols(&text).chain(swaps(&text)) {
            prop_assert!(wrong.parse::<ActivationCode>().is_err(), "{} for {}", wrong, text);
        }
    }

    #[test]
    fn reading_forgives_case_lookalikes_and_separators(content: [u8; 16], lower: bool, sep in "[-. _,:/]{0,2}") {
        let code = ActivationCode::from_content(&content);
        let mut typed = code.expose().replace('.', &sep).replace('0', "O").replacen('1', "I", 1).replace('1', "l");
        if lower { typed = typed.to_lowercase(); }
        prop_assert_eq!(format!("  {typed}\n").parse::<ActivationCode>().unwrap(), code);
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic(text in "\\PC{0,200}") {
        let _ = text.parse::<SerialNumber>();
        let _ = text.parse::<ActivationCode>();
    }

    #[test]
    fn codes_are_read_back_as_written(content: [u8; 16]) {
        let code = ActivationCode::from_content(&content);
        prop_assert_eq!(&code.expose().parse::<ActivationCode>().unwrap(), &code);
        let number = SerialNumber::mint("test", &code.expose());
        prop_assert_eq!(number.to_string().parse::<SerialNumber>().unwrap(), number);
    }
}

#[test]
fn the_canonical_forms() {
    let serial = SerialNumber::mint("smbios-uuid", "4c4c4544-0042-3510-8054-b4c04f4a4e32");
    // A change of this text changes the Serial Number of every machine in the field.
    assert_eq!(serial.to_string(), "0CD-MJA-298-PZ0-P7X-638-7DG-JFT");
    let code = ActivationCode::from_content(&[0xA5; 16]);
    assert_eq!(code.expose(), "0MP.JTB.9D5.MPJ.TB9.D5M.PJT.B94");
    assert_eq!(code.masked(), format!("***.***.***.***.***.***.***.{}", &code.expose()[28..]));
}

#[test]
fn a_code_of_the_other_kind_is_named() {
    let serial = SerialNumber::mint("test", "x").to_string();
    let error = serial.parse::<ActivationCode>().unwrap_err();
    let expected = CodeKind::ActivationCode;
    assert_eq!(error, CodeError::OtherKind { expected, found: CodeKind::SerialNumber });
    assert!("000-000-000-000-000-000-000-000".parse::<SerialNumber>().is_err());
}

#[test]
fn an_activation_code_does_not_show_itself() {
    let code = ActivationCode::from_content(&[7; 16]);
    let shown = format!("{code:?} {} {:?}", code.id(), code.id());
    for triplet in code.expose().split('.').take(7) {
        assert!(!shown.contains(triplet), "{triplet} in {shown}");
    }
    let typed = format!("{}0", code.expose());
    assert!(
        !typed.parse::<ActivationCode>().unwrap_err().to_string().contains(&code.expose()[..3])
    );
}

#[test]
fn a_proof_is_of_one_code_and_one_message() {
    let code = ActivationCode::from_content(&[7; 16]);
    let proof = code.proof(b"message");
    assert!(code.verify_proof(b"message", &proof));
    assert!(!code.verify_proof(b"messagf", &proof));
    assert!(!ActivationCode::from_content(&[8; 16]).verify_proof(b"message", &proof));
    assert!(!code.verify_proof(b"message", &proof[..31]));
}
