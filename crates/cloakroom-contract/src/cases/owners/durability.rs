//! What is left of claims and revocations when the store is closed and opened again, or its process killed.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use cloakroom_core::SessionId;

use crate::{
    Capability, StoreFactory,
    case::{Step, Stop, ensure, ensure_eq},
    kill,
    probe::{fresh_id, open_with},
};

/// Rule 6: and later times are later than those from before.
pub(crate) async fn claims_and_revocations_survive(factory: &dyn StoreFactory) -> Step {
    let needs = [Capability::OwnerIndex, Capability::Reopen];
    let mut stage = open_with(factory, &needs).await?;
    let ids: Vec<SessionId> = (0..4).map(|_| fresh_id()).collect();
    let (claims, revision, own, mut last) = {
        let index = stage.index()?;
        for id in &ids {
            index.claim("anna", id).await?;
        }
        index.release("anna", &ids[1..2]).await?;
        let own = index.revoke("anna").await?;
        let everybody = index.revoke_everybody().await?;
        let claims = index.owned("anna").await?;
        (claims, index.revision().await?, own, everybody)
    };
    let everybody = last;
    ensure_eq!(claims.len(), 3, "claims before the store is closed");
    for round in 0..2 {
        stage = stage.reopen().await?;
        let index = stage.index()?;
        let when = "after the store was opened again";
        let listed = index.owned("anna").await?;
        ensure_eq!(listed, claims, "{when} the claims");
        let known = index.revoked_at("berta").await?;
        ensure_eq!(known, Some(everybody), "{when} everybody's revocation");
        let known = index.revoked_at("clara").await?;
        ensure_eq!(known, Some(everybody), "{when} everybody's revocation");
        if round == 0 {
            ensure_eq!(index.revision().await?, revision, "{when} the revision");
        }
        let at = index.claim("berta", &fresh_id()).await?;
        ensure!(at > last, "{when} times begin anew");
        last = index.revoke("clara2").await?;
        ensure!(last > at, "{when} times begin anew");
        ensure!(
            index.revision().await? != revision,
            "{when} a revocation leaves the revision at what it was"
        );
    }
    let index = stage.index()?;
    let known = index.revoked_at("anna").await?;
    ensure_eq!(known, own.max(everybody).into(), "the owner's revocation");
    Ok(())
}

/// A claim that was acknowledged survives a `kill -9` of the process that made it, and so does a revocation.
pub(crate) async fn acknowledged_survives_a_killed_process(factory: &dyn StoreFactory) -> Step {
    for wanted in [1, 60] {
        let needs = [
            Capability::OwnerIndex,
            Capability::KillProcess,
            Capability::Reopen,
        ];
        let stage = open_with(factory, &needs).await?;
        let Some(writer) = &stage.opened.writer else {
            return Err(Stop::Skipped("no other process can write to it".to_owned()));
        };
        let mut command = writer();
        command.env(kill::WRITES, kill::CLAIMS);
        let told = tokio::task::spawn_blocking(move || {
            let mut child = command.stdout(Stdio::piped()).spawn()?;
            let lines = child.stdout.take().map(BufReader::new);
            let told: Vec<_> = lines
                .into_iter()
                .flat_map(|lines| lines.lines().map_while(Result::ok))
                .filter_map(|line| kill::told(&line))
                .take(wanted)
                .collect();
            child.kill()?;
            child.wait()?;
            std::io::Result::Ok(told)
        })
        .await;
        let told = match told {
            Ok(Ok(told)) => told,
            Ok(Err(error)) => return Err(Stop::failed(format_args!("the writer: {error}"))),
            Err(error) => return Err(Stop::failed(format_args!("the writer: {error}"))),
        };
        ensure_eq!(told.len(), wanted, "steps that the writer acknowledged");
        let stage = stage.reopen().await?;
        let index = stage.index()?;
        let mut last = 0;
        for (step, at) in &told {
            last = last.max(*at);
            let owner = kill::owner(*step);
            if kill::revokes(*step) {
                let known = index.revoked_at(&owner).await?;
                ensure!(
                    known.is_some_and(|known| known.as_millis() >= *at),
                    "the revocation of step {step} is lost with the process"
                );
            } else {
                let listed = index.owned(&owner).await?;
                let claim = listed.iter().find(|claim| claim.id == kill::id(*step));
                ensure!(
                    claim.is_some_and(|claim| claim.at.as_millis() == *at),
                    "the claim of step {step} is lost with the process"
                );
            }
        }
        let next = index.claim("next", &fresh_id()).await?;
        ensure!(
            next.as_millis() > last,
            "after the process was killed, times begin anew"
        );
    }
    Ok(())
}
