//! Sessions that end, and what is left of them.

use cloakroom_core::{Created, EndReason, Loaded, Retired};

use crate::{
    StoreFactory,
    case::{Step, ensure, ensure_eq},
    probe::{HOUR, fresh_id, open},
};

/// Rule 5: create the new, retire the old. Where the new one is made first a crash in between loses nobody's login
/// (tower-sessions#260 deleted first).
pub(crate) async fn the_old_id_ends_and_the_new_one_is_live(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let (old, new) = (fresh_id(), fresh_id());
    stage.probe.make(&old, &b"value"[..], HOUR).await?;
    stage.probe.make(&new, &b"value"[..], HOUR).await?;
    let when = "between the two steps of a rotation";
    stage.probe.holds(&old, b"value", when).await?;
    stage.probe.holds(&new, b"value", when).await?;
    let retired = stage.probe.retire(&old, &b"value"[..]).await?;
    ensure_eq!(retired, Retired::Retired, "the end of the old id");
    let when = "after the rotation";
    stage.probe.ended(&old, EndReason::Rotated, when).await?;
    stage.probe.refuses(&old, b"value", when).await?;
    stage.probe.ended(&old, EndReason::Rotated, when).await?;
    stage.probe.holds(&new, b"value", when).await?;
    Ok(())
}

/// A session that was rotated many times leaves no way in but the last: fixation by an older id.
pub(crate) async fn a_chain_of_rotations_ends_all_before(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let chain: Vec<_> = (0..12).map(|_| fresh_id()).collect();
    stage.probe.make(&chain[0], &b"value"[..], HOUR).await?;
    for pair in chain.windows(2) {
        stage.probe.make(&pair[1], &b"value"[..], HOUR).await?;
        let retired = stage.probe.retire(&pair[0], &b"value"[..]).await?;
        ensure_eq!(retired, Retired::Retired, "the end of the old id");
    }
    let when = "after a chain of rotations";
    let (last, before) = (&chain[chain.len() - 1], &chain[..chain.len() - 1]);
    for old in before {
        stage.probe.ended(old, EndReason::Rotated, when).await?;
    }
    stage.probe.holds(last, b"value", when).await?;
    Ok(())
}

/// Rule 5: no operation makes an ended session live, `create` included. It may answer Taken, or Created over what
/// stays hidden; that the id is not usable is what counts.
pub(crate) async fn create_never_revives(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    for reason in [EndReason::Destroyed, EndReason::Rotated] {
        for existed in [true, false] {
            let id = fresh_id();
            if existed {
                stage.probe.make(&id, &b"first"[..], HOUR).await?;
            }
            stage.probe.end(&id, reason).await?;
            for _ in 0..2 {
                stage.probe.create(&id, &b"again"[..], HOUR).await?;
                let when = "after create under an ended id";
                stage.probe.ended(&id, reason, when).await?;
                stage.probe.refuses(&id, b"again", when).await?;
                stage.probe.refuses(&id, b"first", when).await?;
                let was_live = stage.probe.end(&id, reason).await?;
                ensure!(!was_live, "{when} the session is live to end");
                stage.probe.ended(&id, reason, when).await?;
            }
        }
    }
    Ok(())
}

/// A sign-out that comes after a rotation is the last word: the visitor is anonymous, not merely elsewhere.
pub(crate) async fn destroyed_replaces_rotated(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    stage.probe.make(&id, &b"value"[..], HOUR).await?;
    stage.probe.end(&id, EndReason::Rotated).await?;
    let was_live = stage.probe.end(&id, EndReason::Destroyed).await?;
    ensure!(!was_live, "the second end of a session answers true");
    let when = "rotated first and destroyed then,";
    stage.probe.ended(&id, EndReason::Destroyed, when).await
}

/// And not the other way round: a rotation that lost to the sign-out must not make the sign-out look like a rotation.
pub(crate) async fn rotated_never_replaces_destroyed(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let id = fresh_id();
    stage.probe.make(&id, &b"value"[..], HOUR).await?;
    stage.probe.end(&id, EndReason::Destroyed).await?;
    let was_live = stage.probe.end(&id, EndReason::Rotated).await?;
    ensure!(!was_live, "the second end of a session answers true");
    let when = "destroyed first and rotated then,";
    stage.probe.ended(&id, EndReason::Destroyed, when).await
}

/// Rotating onto an id that is in use is refused, and both sessions stay what they are.
pub(crate) async fn a_taken_target_is_refused(factory: &dyn StoreFactory) -> Step {
    let stage = open(factory).await?;
    let (old, taken) = (fresh_id(), fresh_id());
    stage.probe.make(&old, &b"mine"[..], HOUR).await?;
    stage.probe.make(&taken, &b"somebody's"[..], HOUR).await?;
    let created = stage.probe.create(&taken, &b"mine"[..], HOUR).await?;
    ensure_eq!(
        created,
        Created::Taken,
        "a rotation onto another session's id"
    );
    let when = "after a refused rotation";
    stage.probe.holds(&old, b"mine", when).await?;
    stage.probe.holds(&taken, b"somebody's", when).await?;
    let ended = stage.probe.load(&taken).await?;
    ensure!(matches!(ended, Loaded::Live(_)), "{when} the target ended");
    Ok(())
}
