//! Renewals, sent together where several are asked for at once.
//!
//! Each page that is read asks for one, so on a busy server many are under way at any moment. The first gives the others
//! that are about to be asked for a chance to join it, and sends all of them in one go.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cloakroom_core::SessionId;
use redis::{Cmd, Pipeline, Value};
use tokio::{sync::oneshot, time::timeout_at};

use crate::{
    answer::number,
    fault::Fault,
    link::Call,
    store::{Inner, millis, on_key},
};

/// The renewals that wait for the one that will send them.
#[derive(Default)]
pub(crate) struct Renewals(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    /// Somebody is about to send what waits.
    is_led: bool,
    others: Vec<Joined>,
}

struct Joined {
    renewal: Renewal,
    answer: oneshot::Sender<Result<bool, Fault>>,
}

#[derive(Clone)]
struct Renewal {
    id: SessionId,
    millis: u64,
}

/// The part of one renewal.
enum Part<'a> {
    /// It sends those that have joined it.
    Leads(Lead<'a>),
    /// Another one sends it.
    Joins(oneshot::Receiver<Result<bool, Fault>>),
}

/// Held by the renewal that sends the others. Where its caller gives it up before that, nobody leads any more, and the others
/// learn it.
struct Lead<'a> {
    renewals: &'a Renewals,
    is_over: bool,
}

impl Renewals {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, renewal: &Renewal) -> Part<'_> {
        let mut waiting = self.waiting();
        if !mem::replace(&mut waiting.is_led, true) {
            return Part::Leads(Lead {
                renewals: self,
                is_over: false,
            });
        }
        let (answer, answered) = oneshot::channel();
        let renewal = renewal.clone();
        waiting.others.push(Joined { renewal, answer });
        Part::Joins(answered)
    }

    /// Whoever leads does not get on: the next renewal leads.
    fn overtake(&self) {
        self.waiting().is_led = false;
    }

    /// Those that have joined; the next renewal leads again.
    fn joined(&self) -> Vec<Joined> {
        let mut waiting = self.waiting();
        waiting.is_led = false;
        mem::take(&mut waiting.others)
    }
}

impl Lead<'_> {
    fn joined(mut self) -> Vec<Joined> {
        self.is_over = true;
        self.renewals.joined()
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.renewals.joined();
        }
    }
}

impl Inner {
    pub(crate) async fn renew(
        self: &Arc<Self>,
        id: &SessionId,
        ttl: Duration,
    ) -> Result<bool, Fault> {
        let renewal = Renewal {
            id: id.clone(),
            millis: millis(ttl),
        };
        let call = self.link.call()?;
        match self.renewals.join(&renewal) {
            Part::Joins(answered) => match timeout_at(call.deadline(), answered).await {
                Ok(Ok(answer)) => answer,
                // Whoever was to send it was given up.
                Ok(Err(_)) => self.renew_alone(&call, renewal).await,
                Err(_) => {
                    self.renewals.overtake();
                    Err(Fault::Silent)
                }
            },
            Part::Leads(lead) => {
                tokio::task::yield_now().await;
                let others = lead.joined();
                if others.is_empty() {
                    return self.renew_alone(&call, renewal).await;
                }
                self.renew_together(&call, renewal, others).await
            }
        }
    }

    async fn renew_alone(
        self: &Arc<Self>,
        call: &Call<'_>,
        renewal: Renewal,
    ) -> Result<bool, Fault> {
        let answers = self.renew_all(call, &[renewal]).await?;
        answers.into_iter().next().unwrap_or(Err(Fault::Protocol))
    }

    async fn renew_together(
        self: &Arc<Self>,
        call: &Call<'_>,
        own: Renewal,
        others: Vec<Joined>,
    ) -> Result<bool, Fault> {
        // In the order in which they were asked for: of two for one session, the later one counts.
        let mut renewals = Vec::with_capacity(others.len() + 1);
        renewals.push(own);
        renewals.extend(others.iter().map(|joined| joined.renewal.clone()));
        let mut answers = match self.renew_all(call, &renewals).await {
            Ok(answers) => answers.into_iter(),
            Err(fault) => {
                for joined in others {
                    let _ = joined.answer.send(Err(fault.clone()));
                }
                return Err(fault);
            }
        };
        let own = answers.next().unwrap_or(Err(Fault::Protocol));
        for (joined, answer) in others.into_iter().zip(answers) {
            let _ = joined.answer.send(answer);
        }
        own
    }

    /// An answer for each. The tombstones are looked at last: a session that ended and was written back by a blind peer
    /// between the two would be taken for live.
    async fn renew_all(
        self: &Arc<Self>,
        call: &Call<'_>,
        renewals: &[Renewal],
    ) -> Result<Vec<Result<bool, Fault>>, Fault> {
        let mut renew = Pipeline::with_capacity(renewals.len() + 1);
        for renewal in renewals {
            let mut command = on_key("PEXPIRE", &self.keys.session(&renewal.id));
            command.arg(renewal.millis);
            renew.add_command(command);
        }
        renew.add_command(self.tombstones(renewals));
        let mut answers = self.twice(call, &renew).await?;
        let ended = number(answers.pop().ok_or(Fault::Protocol)?)?;
        let mut renewed: Vec<_> = answers
            .into_iter()
            .map(|answer| number(answer).map(|renewed| renewed != 0))
            .collect();
        if ended == 0 {
            return Ok(renewed);
        }
        let mut look = Pipeline::with_capacity(renewals.len());
        for renewal in renewals {
            look.add_command(self.tombstones(std::slice::from_ref(renewal)));
        }
        let stones: Vec<Value> = self.twice(call, &look).await?;
        for ((renewal, renewed), stone) in renewals.iter().zip(&mut renewed).zip(stones) {
            if number(stone)? != 0 && matches!(renewed, Ok(true)) {
                self.delete_again(self.keys.session(&renewal.id));
                *renewed = Ok(false);
            }
        }
        Ok(renewed)
    }

    fn tombstones(&self, renewals: &[Renewal]) -> Cmd {
        let mut exists = Cmd::with_capacity(renewals.len() + 1, renewals.len() * 64);
        exists.arg("EXISTS");
        for renewal in renewals {
            exists.arg(self.keys.tombstone(&renewal.id));
        }
        exists
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renewal(id: &str) -> Renewal {
        Renewal {
            id: SessionId::parse(id).unwrap(),
            millis: 1000,
        }
    }

    #[test]
    fn the_first_leads_and_the_next_join_it_until_it_has_taken_them() {
        let renewals = Renewals::default();
        let Part::Leads(lead) = renewals.join(&renewal("a")) else {
            panic!("the first joins nobody");
        };
        let mut joined = Vec::new();
        for id in ["b", "c"] {
            match renewals.join(&renewal(id)) {
                Part::Joins(answered) => joined.push(answered),
                Part::Leads(_) => panic!("{id} leads"),
            }
        }
        let others = lead.joined();
        let ids: Vec<_> = others
            .iter()
            .map(|other| other.renewal.id.as_str())
            .collect();
        assert_eq!(ids, ["b", "c"]);
        assert!(matches!(renewals.join(&renewal("d")), Part::Leads(_)));
        for other in others {
            other.answer.send(Ok(true)).unwrap();
        }
        for answered in &mut joined {
            assert!(matches!(answered.try_recv(), Ok(Ok(true))));
        }
    }

    #[test]
    fn those_whose_leader_was_given_up_learn_it_and_the_next_leads() {
        let renewals = Renewals::default();
        let lead = renewals.join(&renewal("a"));
        let Part::Joins(mut answered) = renewals.join(&renewal("b")) else {
            panic!("two lead");
        };
        drop(lead);
        assert!(matches!(
            answered.try_recv(),
            Err(oneshot::error::TryRecvError::Closed)
        ));
        assert!(matches!(renewals.join(&renewal("c")), Part::Leads(_)));
    }
}
