//! The ready queue and the timing wheel, each pair of calls at a steady depth.
//!
//! One iteration takes the earliest item out and puts one in, so `n` items wait all the time. The
//! queue and its peers get the same deadlines. Ratios within one run count; figures of two runs do
//! not compare.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use cutaway_scheduler::{CLASSES_MAX, Class, ClassId, ClassTable, Nanos, ReadyQueue, Wheel};

const DEPTHS: [usize; 3] = [16, 1024, 4096];
/// What passes between two pops: a short step.
const STEP: u64 = 1_000;

/// So many deadlines are drawn before they repeat.
const DRAWN: usize = 8192;

/// The names of the classes; class `c` has a deadline of `10 + c` ms.
const NAMES: [&str; CLASSES_MAX] = ["a", "b", "c", "d", "e", "f", "g", "h"];

/// A thing that is held at one depth: what the queue and the peers have in common.
trait Held {
    fn put(&mut self, class: ClassId, deadline: u64, item: u32);
    fn take(&mut self, now: u64) -> u32;
}

/// Fresh work: the class's own deadline.
struct Fixed(ReadyQueue<u32>);

impl Held for Fixed {
    fn put(&mut self, class: ClassId, deadline: u64, item: u32) {
        let pushed = self.0.push(class, Nanos(deadline), item);
        pushed.expect("the queue is never fuller than its depth");
    }

    fn take(&mut self, now: u64) -> u32 {
        let popped = self.0.pop(Nanos(now));
        popped.expect("the queue is never empty").item
    }
}

/// Resumed work and own deadlines.
struct Ordered(ReadyQueue<u32>);

impl Held for Ordered {
    fn put(&mut self, class: ClassId, deadline: u64, item: u32) {
        let pushed = self.0.push_ordered(class, Nanos(deadline), item);
        pushed.expect("the queue is never fuller than its depth");
    }

    fn take(&mut self, now: u64) -> u32 {
        let popped = self.0.pop(Nanos(now));
        popped.expect("the queue is never empty").item
    }
}

/// The same job for a heap: earliest deadline first, those that are equal in the order they came,
/// and the class comes back with the item.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    deadline: u64,
    arrival: u64,
    class: ClassId,
    item: u32,
}

/// A heap and the number that makes its order stable.
#[derive(Default)]
struct Heap<H> {
    heap: H,
    arrival: u64,
}

impl<H> Heap<H> {
    fn entry(&mut self, class: ClassId, deadline: u64, item: u32) -> Entry {
        self.arrival += 1;
        Entry {
            deadline,
            arrival: self.arrival,
            class,
            item,
        }
    }
}

impl Held for Heap<BinaryHeap<Reverse<Entry>>> {
    fn put(&mut self, class: ClassId, deadline: u64, item: u32) {
        let entry = self.entry(class, deadline, item);
        self.heap.push(Reverse(entry));
    }

    fn take(&mut self, _: u64) -> u32 {
        self.heap.pop().expect("the heap is never empty").0.item
    }
}

impl<const N: usize> Held for Heap<heapless::BinaryHeap<Entry, heapless::binary_heap::Min, N>> {
    fn put(&mut self, class: ClassId, deadline: u64, item: u32) {
        let entry = self.entry(class, deadline, item);
        let pushed = self.heap.push(entry);
        assert!(pushed.is_ok(), "the heap is never fuller than its depth");
    }

    fn take(&mut self, _: u64) -> u32 {
        self.heap.pop().expect("the heap is never empty").item
    }
}

/// Deadlines in a fixed, cheap to draw order.
struct Deadlines {
    /// A power of two of them: drawing must not cost a division.
    offsets: Box<[u64; DRAWN]>,
    drawn: usize,
    now: u64,
}

impl Deadlines {
    /// Each class's own: 10 ms for the first, one more for each next.
    fn of_classes() -> Deadlines {
        Deadlines::new(|drawn| (10 + (drawn % CLASSES_MAX) as u64) * 1_000_000)
    }

    /// Anything below 10 ms, in no order.
    fn own() -> Deadlines {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        Deadlines::new(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % 10_000_000
        })
    }

    fn new(offset: impl FnMut(usize) -> u64) -> Deadlines {
        Deadlines {
            offsets: Box::new(std::array::from_fn(offset)),
            drawn: 0,
            now: 0,
        }
    }

    /// The class and the deadline of the next item.
    fn draw(&mut self) -> (ClassId, u64) {
        let index = self.drawn % DRAWN;
        self.drawn += 1;
        self.now += STEP;
        let class = ClassId::new((index % CLASSES_MAX) as u8).expect("below the bound");
        (class, self.now + self.offsets[index])
    }
}

fn classes() -> ClassTable {
    let mut classes = ClassTable::default();
    for name in &NAMES[classes.count()..] {
        let deadline = Nanos::ZERO + Nanos(1);
        classes
            .add(Class { name, deadline })
            .expect("there is room");
    }
    for (index, _) in NAMES.iter().enumerate() {
        let id = ClassId::new(index as u8).expect("below the bound");
        let deadline = Nanos::from_millis(10 + index as u64);
        classes.set_deadline(id, deadline).expect("not zero");
    }
    classes
}

fn hold<H: Held>(
    criterion: &mut Criterion,
    group: &str,
    name: &str,
    depth: usize,
    mut held: H,
    mut deadlines: Deadlines,
) {
    for item in 0..depth as u32 {
        let (class, deadline) = deadlines.draw();
        held.put(class, deadline, item);
    }
    let mut group = criterion.benchmark_group(group);
    group.bench_function(BenchmarkId::new(name, depth), |bencher| {
        bencher.iter(|| {
            let item = held.take(deadlines.now);
            let (class, deadline) = deadlines.draw();
            held.put(class, deadline, black_box(item));
        });
    });
    group.finish();
}

fn heapless_at<const N: usize>(
    criterion: &mut Criterion,
    group: &str,
    deadlines: fn() -> Deadlines,
) {
    let heap = Heap::<heapless::BinaryHeap<_, heapless::binary_heap::Min, N>>::default();
    hold(
        criterion,
        group,
        "heapless::BinaryHeap",
        N,
        heap,
        deadlines(),
    );
}

fn heapless_all(criterion: &mut Criterion, group: &str, deadlines: fn() -> Deadlines) {
    heapless_at::<{ DEPTHS[0] }>(criterion, group, deadlines);
    heapless_at::<{ DEPTHS[1] }>(criterion, group, deadlines);
    heapless_at::<{ DEPTHS[2] }>(criterion, group, deadlines);
}

/// Fresh work of eight classes.
fn fixed_class(criterion: &mut Criterion) {
    let group = "pop+push, fixed class";
    for depth in DEPTHS {
        let queue = Fixed(ReadyQueue::new(&classes(), depth));
        hold(
            criterion,
            group,
            "ReadyQueue",
            depth,
            queue,
            Deadlines::of_classes(),
        );
        let heap = Heap::<BinaryHeap<_>>::default();
        hold(
            criterion,
            group,
            "std::BinaryHeap",
            depth,
            heap,
            Deadlines::of_classes(),
        );
    }
    heapless_all(criterion, group, Deadlines::of_classes);
}

/// Deadlines in no order, spread over eight classes.
fn own_deadline(criterion: &mut Criterion) {
    let group = "pop+push, own deadline";
    for depth in DEPTHS {
        let queue = Ordered(ReadyQueue::new(&classes(), depth));
        hold(
            criterion,
            group,
            "ReadyQueue",
            depth,
            queue,
            Deadlines::own(),
        );
        let heap = Heap::<BinaryHeap<_>>::default();
        hold(
            criterion,
            group,
            "std::BinaryHeap",
            depth,
            heap,
            Deadlines::own(),
        );
    }
    heapless_all(criterion, group, Deadlines::own);
}

/// A timeout armed and, as nearly always, cancelled; `n` others are armed meanwhile.
fn wheel(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("arm+cancel");
    for depth in DEPTHS {
        let mut wheel = Wheel::new(depth + 1);
        let mut deadlines = Deadlines::own();
        let mut armed: Vec<_> = (0..depth as u32)
            .map(|item| wheel.arm(Nanos(deadlines.draw().1), item))
            .collect();
        let mut turn = 0;
        group.bench_function(BenchmarkId::new("Wheel", depth), |bencher| {
            bencher.iter(|| {
                let key = &mut armed[turn % depth];
                turn += 1;
                let item = wheel.cancel(*key).expect("it never came");
                *key = wheel.arm(Nanos(deadlines.draw().1), black_box(item));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, fixed_class, own_deadline, wheel);
criterion_main!(benches);
