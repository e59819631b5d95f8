//! Personal data: whose a session is, and what is remembered of the device.

use super::{
    lists::{signed_in, site},
    *,
};

#[tokio::test]
async fn a_listed_session_shows_no_personal_data_in_a_log() {
    let (site, _, owners, _) = site().await;
    signed_in(&site, "anna", "Phone/1 of anna").await;
    let listed = owners.list("anna").await.unwrap();
    assert_eq!(listed[0].address.as_deref(), Some("127.0.0.1"));
    assert_eq!(listed[0].user_agent.as_deref(), Some("Phone/1 of anna"));
    let shown = format!("{listed:?} {owners:?}");
    assert!(shown.contains("has_address: true"), "{shown}");
    for hidden in ["127.0.0.1", "Phone", "anna"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

/// Whoever writes to the store may write anything there; a page shows it as an address.
#[tokio::test]
async fn an_address_that_is_none_is_not_listed() {
    let (store, clock) = memory();
    let layer = layer(store.clone(), clock).build().unwrap();
    let owners = layer.owners().unwrap();
    for (address, listed) in [
        ("198.51.100.7", Some("198.51.100.7")),
        ("<b>here</b>", None),
        ("198.51.100.7, 10.0.0.1", None),
    ] {
        let id = SessionId::parse("foreign").unwrap();
        let at = store.claim("anna", &id, MINUTE, None).await.unwrap().at;
        let at = at.as_millis();
        let meta = format!(r#"{{"owner":"anna","signedIn":{at},"address":"{address}"}}"#);
        let value = format!(r#"{{"cookie":{{"originalMaxAge":60000}},"__ck":{meta}}}"#);
        if let Loaded::Live(stored) = store.load(&id).await.unwrap() {
            let replaced = store.replace(&id, &stored.value, value.into(), MINUTE);
            replaced.await.unwrap();
        } else {
            store.create(&id, value.into(), MINUTE).await.unwrap();
        }
        let sessions = owners.list("anna").await.unwrap();
        assert_eq!(sessions.len(), 1, "{address}");
        assert_eq!(sessions[0].address.as_deref(), listed, "{address}");
    }
}
