//! The socket filter that puts datagrams on a ring: eBPF, put together here so that no compiler for it is needed.
//!
//! ```text
//! for each size of record that the datagram fits in, the smallest first:
//!     reserve a record of that size; none: keep
//!     cookie of the socket, monotonic time, length, length of each datagram in it, source address
//!     the datagram from its UDP header on
//!     submit, and take the datagram out of the socket's way
//! keep: count it, and leave it to the socket
//! ```
//! Sizes are few because the kernel wants to know them beforehand (`bpf_ringbuf_reserve`, bpf-helpers(7)). What is too
//! long for the largest, or finds the ring full, goes where it would without a filter. Filters run behind the host's
//! firewall, the reassembly and the checksum, which the kernel verifies first for a socket that has one.

use std::mem::offset_of;

/// What the program writes before a datagram. All numbers are of the host's order.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// Of the socket, unique while the system runs (`SO_COOKIE`).
    pub(crate) cookie: u64,
    /// `CLOCK_MONOTONIC`, nanoseconds.
    pub(crate) stamp: u64,
    /// Octets from the UDP header on.
    pub(crate) length: u32,
    /// Octets of each datagram in it when the kernel has put several into one (`UDP_GRO`), otherwise 0.
    pub(crate) segment: u32,
    /// Source address: the first four octets for IPv4, all for IPv6.
    pub(crate) source: [u8; 16],
    /// `ETH_P_IP` or `ETH_P_IPV6`, in network order.
    pub(crate) protocol: u32,
    /// Up to a multiple of eight.
    pub(crate) spare: u32,
}

/// Sizes of records, head included: 10 and 20 ms of G.711 fit in the second, five of them at once in the fourth.
pub(crate) const RECORDS: [u32; 8] = [128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384];

/// Octets of a [`Head`].
pub(crate) const HEAD: usize = size_of::<Head>();

/// One instruction, as the kernel reads it (`struct bpf_insn`).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// A register: 0 what is returned, 1-5 arguments, 6-9 kept over calls.
#[derive(Debug, Clone, Copy)]
struct Register(u8);

const R0: Register = Register(0);
const R1: Register = Register(1);
const R2: Register = Register(2);
const R3: Register = Register(3);
const R4: Register = Register(4);
const R5: Register = Register(5);
const SKB: Register = Register(6);
const LENGTH: Register = Register(7);
const RECORD: Register = Register(8);

/// Functions of the kernel (`linux/bpf.h`, `__BPF_FUNC_MAPPER`).
#[derive(Debug, Clone, Copy)]
enum Helper {
    MonotonicTime = 5,
    LoadOctets = 26,
    SocketCookie = 46,
    LoadOctetsFrom = 68,
    Reserve = 131,
    Submit = 132,
    Discard = 133,
}

/// Code that is being written, and the jumps whose end is not known yet.
#[derive(Default)]
struct Assembly {
    code: Vec<Instruction>,
    /// To `keep`, and to `discard`.
    keeps: Vec<usize>,
    discards: Vec<usize>,
}

/// The program for the ring and the counter of kept datagrams of these descriptors.
pub(crate) fn assemble(ring: i32, counter: i32) -> Vec<Instruction> {
    let mut assembly = Assembly::default();
    assembly.copy(SKB, R1);
    assembly.load32(LENGTH, SKB, SKB_LEN);
    for size in RECORDS {
        let longer = assembly.jump(JUMP_GREATER, LENGTH, size as i32 - HEAD as i32);
        assembly.take(ring, size);
        assembly.lands(longer);
    }
    // What is longer than all of them comes by here.
    let keeps = std::mem::take(&mut assembly.keeps);
    keeps.into_iter().for_each(|at| assembly.lands(at));
    assembly.count(counter);
    assembly.verdict(ALL);
    assembly.code
}

impl Assembly {
    /// Puts a datagram that fits on the ring.
    fn take(&mut self, ring: i32, size: u32) {
        self.map(R1, PSEUDO_MAP_FD, ring);
        self.set(R2, size as i32);
        self.set(R3, 0);
        self.call(Helper::Reserve);
        let full = self.jump(JUMP_EQUAL, R0, 0);
        self.keeps.push(full);
        self.copy(RECORD, R0);
        self.fill();
        self.copy(R1, RECORD);
        self.set(R2, NO_WAKEUP);
        self.call(Helper::Submit);
        self.verdict(NONE);
        // What cannot be read gives its place back. A record that was reserved has to go one way or the other.
        let discards = std::mem::take(&mut self.discards);
        discards.into_iter().for_each(|at| self.lands(at));
        self.copy(R1, RECORD);
        self.set(R2, NO_WAKEUP);
        self.call(Helper::Discard);
        let kept = self.jump(ALWAYS, R0, 0);
        self.keeps.push(kept);
    }

    /// Head and datagram.
    fn fill(&mut self) {
        self.copy(R1, SKB);
        self.call(Helper::SocketCookie);
        self.store(WORD64, RECORD, offset_of!(Head, cookie), R0);
        self.call(Helper::MonotonicTime);
        self.store(WORD64, RECORD, offset_of!(Head, stamp), R0);
        self.store(WORD32, RECORD, offset_of!(Head, length), LENGTH);
        self.load32(R1, SKB, SKB_GSO_SIZE);
        self.store(WORD32, RECORD, offset_of!(Head, segment), R1);
        self.load32(R1, SKB, SKB_PROTOCOL);
        self.store(WORD32, RECORD, offset_of!(Head, protocol), R1);
        let v4 = self.jump(JUMP_EQUAL, R1, i32::from(V4.to_be()));
        self.address(V6_SOURCE);
        let done = self.jump(ALWAYS, R0, 0);
        self.lands(v4);
        self.address(V4_SOURCE);
        self.lands(done);
        self.copy(R1, SKB);
        self.set(R2, 0);
        self.point(R3, HEAD);
        self.copy(R4, LENGTH);
        // The kernel proves that no length of 0 is asked for; a UDP header is eight octets.
        let empty = self.jump(JUMP_EQUAL, R4, 0);
        self.discards.push(empty);
        self.call_that_may_fail(Helper::LoadOctets);
    }

    /// The source address, at its place in the IP header.
    fn address(&mut self, (from, octets): (i32, i32)) {
        self.copy(R1, SKB);
        self.set(R2, from);
        self.point(R3, offset_of!(Head, source));
        self.set(R4, octets);
        self.set(R5, FROM_NETWORK_HEADER);
        self.call_that_may_fail(Helper::LoadOctetsFrom);
    }

    fn call_that_may_fail(&mut self, helper: Helper) {
        self.call(helper);
        let failed = self.jump(JUMP_UNEQUAL, R0, 0);
        self.discards.push(failed);
    }

    /// Adds one to the counter.
    fn count(&mut self, counter: i32) {
        self.map(R1, PSEUDO_MAP_VALUE, counter);
        self.set(R2, 1);
        self.push(0xdb, R1, R2, 0, 0);
    }

    /// Ends with so many octets for the socket.
    fn verdict(&mut self, octets: i32) {
        self.set(R0, octets);
        self.push(0x95, R0, R0, 0, 0);
    }

    fn copy(&mut self, to: Register, from: Register) {
        self.push(0xbf, to, from, 0, 0);
    }

    fn set(&mut self, to: Register, value: i32) {
        self.push(0xb7, to, R0, 0, value);
    }

    /// The address of an octet of the record.
    fn point(&mut self, to: Register, offset: usize) {
        self.copy(to, RECORD);
        self.push(0x07, to, R0, 0, offset as i32);
    }

    fn load32(&mut self, to: Register, from: Register, offset: i16) {
        self.push(0x61, to, from, offset, 0);
    }

    fn store(&mut self, width: u8, to: Register, offset: usize, from: Register) {
        self.push(width, to, from, offset as i16, 0);
    }

    /// A map, or the first value in it, by its descriptor.
    fn map(&mut self, to: Register, kind: Register, descriptor: i32) {
        self.push(0x18, to, kind, 0, descriptor);
        self.push(0, R0, R0, 0, 0);
    }

    fn call(&mut self, helper: Helper) {
        self.push(0x85, R0, R0, 0, helper as i32);
    }

    /// A jump that [`Assembly::lands`] somewhere; where it stands.
    fn jump(&mut self, condition: u8, left: Register, right: i32) -> usize {
        self.push(condition, left, R0, 0, right);
        self.code.len() - 1
    }

    /// The jump goes to what comes next.
    fn lands(&mut self, jump: usize) {
        self.code[jump].offset = (self.code.len() - jump - 1) as i16;
    }

    fn push(&mut self, code: u8, to: Register, from: Register, offset: i16, immediate: i32) {
        // Bit fields of C: the lower half of the octet comes first where the lower octet does.
        let registers = if cfg!(target_endian = "little") { from.0 << 4 | to.0 } else { to.0 << 4 | from.0 };
        self.code.push(Instruction { code, registers, offset, immediate });
    }
}

const JUMP_EQUAL: u8 = 0x15;
const JUMP_UNEQUAL: u8 = 0x55;
const JUMP_GREATER: u8 = 0x25;
const ALWAYS: u8 = 0x05;
const WORD32: u8 = 0x63;
const WORD64: u8 = 0x7b;

/// What the descriptor in a 64-bit immediate stands for.
const PSEUDO_MAP_FD: Register = Register(1);
const PSEUDO_MAP_VALUE: Register = Register(2);

/// Fields of `struct __sk_buff`, which the kernel keeps where they are.
const SKB_LEN: i16 = 0;
const SKB_PROTOCOL: i16 = 16;
const SKB_GSO_SIZE: i16 = 176;

/// Place and length of the source address in the header (RFC 791 3.1, RFC 8200 3).
const V4_SOURCE: (i32, i32) = (12, 4);
const V6_SOURCE: (i32, i32) = (8, 16);

/// `ETH_P_IP`; the rest is IPv6.
pub(crate) const V4: u16 = 0x0800;

/// `BPF_HDR_START_NET`.
const FROM_NETWORK_HEADER: i32 = 1;

/// `BPF_RB_NO_WAKEUP`: nobody waits for a record.
const NO_WAKEUP: i32 = 1;

/// Nothing of the datagram, all of it.
const NONE: i32 = 0;
const ALL: i32 = -1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_jump_lands_inside_and_every_way_ends() {
        let code = assemble(3, 4);
        let wide = |at: usize| at > 0 && code[at - 1].code == 0x18;
        for (at, instruction) in code.iter().enumerate().filter(|(at, _)| !wide(*at)) {
            let jumps = [JUMP_EQUAL, JUMP_UNEQUAL, JUMP_GREATER, ALWAYS].contains(&instruction.code);
            if jumps {
                let to = at + 1 + usize::try_from(instruction.offset).unwrap();
                assert!(to > at && to < code.len() && !wide(to), "{at} to {to}");
            }
        }
        assert_eq!(code.last().unwrap().code, 0x95);
        assert!(code.len() < 512, "{}: a socket pays for it out of net.core.optmem_max", code.len());
    }

    #[test]
    fn a_head_is_a_multiple_of_eight_and_leaves_room_for_the_smallest_packet() {
        assert_eq!((HEAD % 8, offset_of!(Head, spare) + 4), (0, HEAD));
        assert!(RECORDS.iter().all(|size| size % 8 == 0 && *size as usize > HEAD + 8 + 12));
        assert!(RECORDS.is_sorted());
    }
}
