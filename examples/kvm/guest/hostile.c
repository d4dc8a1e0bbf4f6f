// Does to the device what no driver does, one thing after the other, and tells what came of each. After each of them it resets the
// device, and reads a sector: that has to go well.
#include "machine.h"
#include "virtio-blk.h"

static u8 buffer[4096] __attribute__((aligned(4096)));

#define NOWHERE 0x7f0000000000ul // an address without memory

enum { NOTHING, STOPPED, ANSWERED }; // ANSWERED + the status of the request

static u32 outcome(void) {
  for (;;) {
    if (load32(VIRTIO + STATUS) & NEEDS_RESET) return STOPPED;
    if (*(volatile u16 *)&queue.used.idx != seen) return ANSWERED + statuses[0];
    halt();
  }
}

// A good request in slot 0, to be spoilt.
static void prepare(u32 type) {
  start_disk();
  describe_request(0, type, 0, (u64)buffer, 512);
}

static u32 offered(u16 head) {
  offer(head);
  return outcome();
}

static u32 try(u32 number) {
  prepare(READ);
  switch (number) {
  case 0: // a chain without an end
    queue.desc[1].next = 1;
    return offered(0);
  case 1: // two descriptors that name each other
    queue.desc[2].flags |= F_NEXT, queue.desc[2].next = 1;
    return offered(0);
  case 2: // a head, and a next one, that no table has
    return offered(60000);
  case 3:
    queue.desc[1].next = ENTRIES;
    return offered(0);
  case 4: // data where there is no memory
    queue.desc[1].addr = NOWHERE;
    return offered(0);
  case 5: // header, and status, where there is none
    queue.desc[0].addr = NOWHERE;
    return offered(0);
  case 6:
    queue.desc[2].addr = NOWHERE;
    return offered(0);
  case 7: // data that goes beyond the memory, and beyond all addresses
    queue.desc[1].len = 0xfffffe00;
    return offered(0);
  case 8:
    queue.desc[1].addr = -512ul, queue.desc[1].len = 1024;
    return offered(0);
  case 9: // no whole sectors, and none at all
    queue.desc[1].len = 513;
    return offered(0);
  case 10:
    queue.desc[1].flags = F_WRITE;
    queue.desc[1].len = 0;
    return offered(0);
  case 11: // no room for the status
    queue.desc[1].flags = 0;
    return offered(0);
  case 12: // what is to be read behind what is to be written
    queue.desc[2].flags = 0;
    return offered(0);
  case 13: // a table of descriptors, which was not negotiated
    queue.desc[1].flags = F_INDIRECT;
    return offered(0);
  case 14: // more requests than there are entries
    queue.avail.idx += 1000;
    return offered(0);
  case 15: // one back
    queue.avail.idx -= 2;
    return offered(0);
  case 16: // a sector that the disk does not have
    headers[0].sector = -1ul;
    return offered(0);
  case 17: // a request that there is not
    headers[0].type = 0xdeadbeef;
    return offered(0);
  case 18: // the queue where there is no memory
    start_queue(NOWHERE, NOWHERE + 4096, NOWHERE + 8192, ENTRIES);
    store32(VIRTIO + QUEUE_NOTIFY, 0);
    return outcome();
  case 19:
    start_queue(-4096ul, -4096ul, -4096ul, ENTRIES);
    store32(VIRTIO + QUEUE_NOTIFY, 0);
    return outcome();
  case 20: // of a size that no queue has
    start_queue((u64)&queue.desc, (u64)&queue.avail, (u64)&queue.used, 0);
    return outcome();
  case 21:
    start_queue((u64)&queue.desc, (u64)&queue.avail, (u64)&queue.used, 48);
    return outcome();
  case 22: // data over the queue itself: what the disk has there becomes its descriptors
    queue.desc[1].addr = (u64)&queue, queue.desc[1].len = sizeof queue / 512 * 512;
    return offered(0);
  }
  return NOTHING;
}

void start(u64 cpu, volatile struct boot *boot) {
  if (cpu != 0) leave(0);
  u32 number = 0;
  for (u32 answer; number < 32 && (answer = try(number)) != NOTHING; number++) {
    boot->answers[number] = answer;
    start_disk();
    u32 ignored = 0;
    if (transfer(READ, (u64)buffer, 4096, &ignored) != 0) boot->failure = 1 + number;
  }
  boot->answers_count = number;
  leave(boot->failure);
}
