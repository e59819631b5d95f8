//! Renewals, many in one round trip.
//!
//! Each page that is read asks for one, so a busy application has dozens of them at any moment.

use std::{slice, sync::Arc, time::Duration};

use cloakroom_core::SessionId;
use redis::{Cmd, Pipeline};

use crate::{
    answer::number,
    fault::Fault,
    link::Call,
    store::{Inner, millis, on_key},
};

/// How many are sent at once: the server answers nobody else meanwhile.
const AT_ONCE: usize = 1024;

type Renewal = (SessionId, Duration);

impl Inner {
    /// An answer for each, in their order.
    pub(crate) async fn renew(
        self: &Arc<Self>,
        renewals: &[Renewal],
    ) -> Result<Vec<Result<bool, Fault>>, Fault> {
        let call = self.links.call()?;
        let mut renewed = Vec::with_capacity(renewals.len());
        for some in renewals.chunks(AT_ONCE) {
            renewed.extend(self.renew_some(&call, some).await?);
        }
        Ok(renewed)
    }

    /// The tombstones are looked at last: a session that ended and was written back by a blind peer between the two would be
    /// taken for live.
    async fn renew_some(
        self: &Arc<Self>,
        call: &Call<'_>,
        renewals: &[Renewal],
    ) -> Result<Vec<Result<bool, Fault>>, Fault> {
        let mut renew = Pipeline::with_capacity(renewals.len() + 1);
        for (id, ttl) in renewals {
            let mut command = on_key("PEXPIRE", self.keys.session_in_parts(id));
            command.arg(millis(*ttl));
            renew.add_command(command);
        }
        renew.add_command(self.tombstones(renewals));
        let mut answers = self.twice(call, &renew).await?;
        let ended = number(answers.pop().ok_or(Fault::Protocol)?)?;
        let mut renewed: Vec<_> = answers
            .into_iter()
            .map(|answer| number(answer).map(|renewed| renewed != 0))
            .collect();
        if ended > 0 {
            self.look_which_ended(call, renewals, &mut renewed).await?;
        }
        Ok(renewed)
    }

    /// A tombstone stands beside one of them at least.
    async fn look_which_ended(
        self: &Arc<Self>,
        call: &Call<'_>,
        renewals: &[Renewal],
        renewed: &mut [Result<bool, Fault>],
    ) -> Result<(), Fault> {
        let mut look = Pipeline::with_capacity(renewals.len());
        for renewal in renewals {
            look.add_command(self.tombstones(slice::from_ref(renewal)));
        }
        let stones = self.twice(call, &look).await?;
        for (((id, _), renewed), stone) in renewals.iter().zip(renewed).zip(stones) {
            if number(stone)? != 0 && matches!(renewed, Ok(true)) {
                self.delete_again(self.keys.session(id));
                *renewed = Ok(false);
            }
        }
        Ok(())
    }

    fn tombstones(&self, renewals: &[Renewal]) -> Cmd {
        let mut exists = Cmd::with_capacity(renewals.len() + 1, renewals.len() * 64);
        exists.arg("EXISTS");
        for (id, _) in renewals {
            exists.arg(self.keys.tombstone_in_parts(id));
        }
        exists
    }
}
