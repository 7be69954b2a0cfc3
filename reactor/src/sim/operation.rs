//! The ring's table of operations: what a ticket in a completion stands for.

use std::num::NonZeroU32;

use crate::Ticket;
use crate::planted;
use crate::ring::{Owner, SendBuffer};

/// One operation, from submission until its last completion is popped.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) kind: Kind,
    /// Whose it is.
    pub(super) owner: Owner,
    /// The connection, or for an accept the listener.
    pub(super) target: usize,
    /// What a send sends.
    pub(super) buffer: Option<SendBuffer>,
    /// Counts the operations of a run, so that no two are ever taken for one another.
    serial: u64,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Accept,
    Receive,
    Send,
    Close,
}

/// An operation as the kernel knows it: the ticket it will put into completions, and beside it the
/// truth, which a real kernel does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Armed {
    pub(super) ticket: Ticket,
    pub(super) serial: u64,
}

/// All operations in flight.
#[derive(Debug, Default)]
pub(super) struct Operations {
    slots: Vec<Slot>,
    /// Last freed, first used: a stale ticket then finds a new tenant as often as it can.
    free: Vec<u32>,
    opened_count: u64,
}

#[derive(Debug)]
struct Slot {
    generation: NonZeroU32,
    tenant: Option<Operation>,
}

/// What a completion's ticket led to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Found {
    /// Its operation.
    Tenant {
        kind: Kind,
        owner: Owner,
        target: usize,
    },
    /// Nothing: the operation is over.
    Stale,
    /// Another operation than the one that completed. The table's check has failed.
    Stranger { kind: Kind },
}

impl Operations {
    pub(super) fn open(
        &mut self,
        kind: Kind,
        owner: Owner,
        target: usize,
        buffer: Option<SendBuffer>,
    ) -> Armed {
        self.opened_count += 1;
        let serial = self.opened_count;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: NonZeroU32::MIN,
                tenant: None,
            });
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        slot.tenant = Some(Operation {
            kind,
            owner,
            target,
            buffer,
            serial,
        });
        Armed {
            ticket: Ticket::new(index, slot.generation),
            serial,
        }
    }

    /// The operation that completed, as its ticket says.
    pub(super) fn find(&self, armed: Armed) -> Found {
        let slot = &self.slots[armed.ticket.index() as usize];
        let is_present = slot.generation == armed.ticket.generation() || planted::stale_ticket();
        match &slot.tenant {
            Some(tenant) if is_present && tenant.serial == armed.serial => Found::Tenant {
                kind: tenant.kind,
                owner: tenant.owner,
                target: tenant.target,
            },
            Some(tenant) if is_present => Found::Stranger { kind: tenant.kind },
            _ => Found::Stale,
        }
    }

    /// Ends the operation; its ticket is stale from now on.
    pub(super) fn close(&mut self, armed: Armed) -> Option<Operation> {
        let index = armed.ticket.index();
        let slot = &mut self.slots[index as usize];
        let tenant = slot.tenant.take()?;
        slot.generation = slot.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        self.free.push(index);
        Some(tenant)
    }

    /// What a send in flight sends.
    pub(super) fn sending(&self, armed: Armed) -> Option<&SendBuffer> {
        self.slots[armed.ticket.index() as usize]
            .tenant
            .as_ref()
            .filter(|tenant| tenant.serial == armed.serial)?
            .buffer
            .as_ref()
    }

    /// Every operation in flight.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Operation> {
        self.slots.iter().filter_map(|slot| slot.tenant.as_ref())
    }
}
