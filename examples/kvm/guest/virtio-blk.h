// A driver for the block device: a split virtqueue (virtio 1.2, 2.7) behind the registers of virtio-mmio (4.2.2).
#pragma once
#include "machine.h"

#define VIRTIO 0xd0000000ul
enum {
  QUEUE_NUM = 0x38,
  QUEUE_READY = 0x44,
  QUEUE_NOTIFY = 0x50,
  STATUS = 0x70,
  QUEUE_DESC = 0x80,
  QUEUE_DRIVER = 0x90,
  QUEUE_DEVICE = 0xa0,
};
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, NEEDS_RESET = 64 };
enum { READ = 0, WRITE = 1, FLUSH = 4 };
enum { F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4 };

#define ENTRIES 64
#define DEPTH 16 // requests in flight, three descriptors each
#define CHUNK 65536ul

static struct queue {
  struct { u64 addr; u32 len; u16 flags, next; } desc[ENTRIES];
  struct { u16 flags, idx, ring[ENTRIES], used_event; } avail;
  struct { u16 flags, idx; struct { u32 id, len; } ring[ENTRIES]; u16 avail_event; } used __attribute__((aligned(4)));
} queue __attribute__((aligned(4096)));

static struct { u32 type, reserved; u64 sector; } headers[DEPTH];
static volatile u8 statuses[DEPTH];
static u16 seen;

static inline void set_address(u64 reg, u64 address) {
  store32(VIRTIO + reg, (u32)address);
  store32(VIRTIO + reg + 4, (u32)(address >> 32));
}

// Resets the device, and tells it where the queue lies (3.1.1, 4.2.3.2).
static inline void start_queue(u64 desc, u64 driver, u64 device, u32 entries) {
  store32(VIRTIO + STATUS, 0);
  memset(&queue, 0, sizeof queue);
  seen = 0;
  store32(VIRTIO + STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
  store32(VIRTIO + QUEUE_NUM, entries);
  set_address(QUEUE_DESC, desc);
  set_address(QUEUE_DRIVER, driver);
  set_address(QUEUE_DEVICE, device);
  store32(VIRTIO + QUEUE_READY, 1);
  store32(VIRTIO + STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

static inline void start_disk(void) { start_queue((u64)&queue.desc, (u64)&queue.avail, (u64)&queue.used, ENTRIES); }

static inline void describe(u16 index, u64 addr, u32 len, u16 flags, u16 next) {
  queue.desc[index].addr = addr;
  queue.desc[index].len = len;
  queue.desc[index].flags = flags;
  queue.desc[index].next = next;
}

// Puts a request into a slot: header, data, status.
static inline u16 describe_request(u16 slot, u32 type, u64 sector, u64 addr, u32 len) {
  u16 head = 3 * slot;
  headers[slot].type = type;
  headers[slot].sector = sector;
  statuses[slot] = 0xff;
  describe(head, (u64)&headers[slot], 16, F_NEXT, len ? head + 1 : head + 2);
  describe(head + 1, addr, len, F_NEXT | (type == READ ? F_WRITE : 0), head + 2);
  describe(head + 2, (u64)&statuses[slot], 1, F_WRITE, 0);
  return head;
}

static inline void offer(u16 head) {
  queue.avail.ring[queue.avail.idx % ENTRIES] = head;
  barrier();
  *(volatile u16 *)&queue.avail.idx = queue.avail.idx + 1;
  barrier();
  // The device is at work anyway, and will look.
  if (!(*(volatile u16 *)&queue.used.flags & 1)) store32(VIRTIO + QUEUE_NOTIFY, 0);
}

// Waits for the next answer: its slot, or -1 when the device has stopped.
static inline int answer(void) {
  while (*(volatile u16 *)&queue.used.idx == seen) {
    halt();
    if (*(volatile u16 *)&queue.used.idx == seen && load32(VIRTIO + STATUS) & NEEDS_RESET) return -1;
  }
  barrier();
  return queue.used.ring[seen++ % ENTRIES].id / 3;
}

// Moves `bytes` between memory and the disk, from sector 0 on; 0 if all went well. `done` counts requests.
static inline int transfer(u32 type, u64 addr, u64 bytes, volatile u32 *done) {
  u64 issued = 0;
  int failed = 0;
  u16 slots[DEPTH], free = 0;
  while (free < DEPTH) slots[free] = free, free++;
  while (issued < bytes || free < DEPTH) {
    if (issued < bytes && free > 0) {
      u32 len = bytes - issued < CHUNK ? (u32)(bytes - issued) : (u32)CHUNK;
      offer(describe_request(slots[--free], type, issued / 512, addr + issued, len));
      issued += len;
      continue;
    }
    int slot = answer();
    if (slot < 0) return -1;
    failed |= statuses[slot];
    slots[free++] = (u16)slot;
    (*done)++;
  }
  return failed;
}

static inline int flush(void) {
  offer(describe_request(0, FLUSH, 0, 0, 0));
  int answered = answer();
  return answered < 0 ? -1 : statuses[answered];
}
