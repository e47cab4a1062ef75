//! One fetch that many wait for, on any executor.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// How a flight ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landed {
    /// The fetch ended, well or badly.
    Finished,
    /// Who fetched went away; somebody else has to.
    Abandoned,
}

/// A fetch under way.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    landed: Option<Landed>,
    waiting: Vec<Waker>,
}

impl Flight {
    /// Ends the flight and wakes who waits; the first end counts.
    pub(crate) fn land(&self, landed: Landed) {
        let mut state = self.lock();
        state.landed.get_or_insert(landed);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits for the end.
    pub(crate) fn landed(&self) -> impl Future<Output = Landed> + Send + '_ {
        Waiting(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Waiting<'a>(&'a Flight);

impl Future for Waiting<'_> {
    type Output = Landed;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Landed> {
        let mut state = self.0.lock();
        if let Some(landed) = state.landed {
            return Poll::Ready(landed);
        }
        if !state
            .waiting
            .iter()
            .any(|waker| waker.will_wake(context.waker()))
        {
            state.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }
}
