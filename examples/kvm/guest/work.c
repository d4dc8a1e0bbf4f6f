// CPU 0 reads the disk, mixes and sorts it, writes it back, and uses the memory that is plugged in meanwhile. CPU 1 sieves.
#include "machine.h"
#include "sha256.h"
#include "virtio-blk.h"

// Sorts by the bytes of the words, the lowest first. `spare` is as large, and scribbled over.
static void sort(u32 *words, u32 *spare, u64 count) {
  for (int shift = 0; shift < 32; shift += 8) {
    u64 ends[256] = {0};
    for (u64 i = 0; i < count; i++) ends[words[i] >> shift & 255]++;
    u64 end = 0;
    for (int byte = 0; byte < 256; byte++) {
      u64 these = ends[byte];
      ends[byte] = end;
      end += these;
    }
    for (u64 i = 0; i < count; i++) spare[ends[words[i] >> shift & 255]++] = words[i];
    u32 *other = words;
    words = spare;
    spare = other;
  }
}

// The start of the disk goes into the new memory by the device, the rest of it is written here; then all is read back.
static void use_dimm(volatile struct boot *boot) {
  if (boot->dimm_state != DIMM_PLUGGED) return;
  u32 ignored = 0;
  u64 by_device = boot->disk_bytes < 1 << 20 ? boot->disk_bytes : 1 << 20, failed = 0;
  failed |= transfer(READ, boot->dimm, by_device, &ignored);
  for (u64 at = by_device; at < boot->dimm_bytes; at += 8) *(u64 *)(boot->dimm + at) = at ^ boot->dimms;
  for (u64 at = by_device; at < boot->dimm_bytes; at += 8) failed |= *(u64 *)(boot->dimm + at) ^ at ^ boot->dimms;
  u8 in_dimm[32], in_memory[32];
  sha256(in_dimm, boot->dimm, by_device);
  failed |= transfer(READ, boot->work + boot->disk_bytes, by_device, &ignored);
  sha256(in_memory, boot->work + boot->disk_bytes, by_device);
  for (int i = 0; i < 32; i++) failed |= in_dimm[i] ^ in_memory[i];
  if (failed) boot->failure = 1;
  boot->dimms++;
  boot->dimm_state = DIMM_FREE;
  store32(BOARD + DIMM, 0);
}

static void disk(volatile struct boot *boot) {
  u64 bytes = boot->disk_bytes, count = bytes / 4;
  u32 *words = (u32 *)boot->work, *spare = (u32 *)(boot->work + bytes);
  u8 written[32], read[32];
  for (u32 round = 0; round < boot->rounds; round++) {
    if (round == 0) start_disk();
    int failed = transfer(READ, (u64)words, bytes, &boot->progress);
    use_dimm(boot);
    if (round == 0) {
      sha256((u8 *)boot->before, (u64)words, bytes);
      say(0, "read # bytes of the disk", bytes);
    }
    for (u64 i = 0; i < count; i++) words[i] = words[i] * 2654435761u + round;
    sort(words, spare, count);
    use_dimm(boot);
    sha256(written, (u64)words, bytes);
    failed |= transfer(WRITE, (u64)words, bytes, &boot->progress) | flush();
    use_dimm(boot);
    failed |= transfer(READ, (u64)spare, bytes, &boot->progress);
    use_dimm(boot);
    sha256(read, (u64)spare, bytes);
    for (int i = 0; i < 32; i++) failed |= read[i] ^ written[i];
    if (failed) boot->failure = 2;
    memcpy((u8 *)boot->after, read, 32);
    say(0, failed ? "round # went wrong" : "sorted the disk, round #", round + 1);
  }
  boot->quit = 1;
}

static void sieve(volatile struct boot *boot) {
  u8 *composite = (u8 *)(boot->work + boot->work_bytes - boot->sieve_bytes);
  u64 limit = boot->sieve_bytes;
  do {
    memset(composite, 0, limit);
    u64 primes = 0;
    for (u64 p = 2; p < limit; p++) {
      if (composite[p]) continue;
      primes++;
      for (u64 multiple = p * p; multiple < limit; multiple += p) composite[multiple] = 1;
      if (boot->quit && boot->sieves > 0) return;
    }
    if (boot->sieves == 0) say(1, "there are # primes", primes);
    else if (primes != boot->primes) boot->failure = 3;
    boot->primes = primes;
    boot->sieves++;
  } while (!boot->quit);
}

void start(u64 cpu, volatile struct boot *boot) {
  if (cpu == 0) disk(boot);
  else sieve(boot);
  leave(boot->failure);
}
