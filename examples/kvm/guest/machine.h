// What the machine is to a program in it: no operating system, ring 3, all of memory at its physical address.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

// The page that monitor and program share; ../machine-layout.ts has the same.
struct boot {
  u64 disk_bytes;
  u64 work, work_bytes; // memory to work in
  u64 sieve_bytes;      // and how much of it CPU 1 sieves
  u32 rounds;
  u32 quit;
  u32 progress; // disk requests done
  u32 sieves;   // and how often CPU 1 has sieved
  u64 primes;
  u64 dimm, dimm_bytes;
  u32 dimm_state;
  u32 dimms; // used until now
  u32 failure;
  u32 answers_count;
  u8 before[32], after[32]; // SHA-256 of the disk
  u32 answers[32];          // of the device, to what no driver does
};

enum { DIMM_NONE, DIMM_PLUGGED, DIMM_FREE };

// Registers of the machine, beside those of the disk. A store is an exit to the monitor.
#define BOARD 0xd0001000ul
enum { CONSOLE = 0x00, HALT = 0x04, EXIT = 0x08, DIMM = 0x0c };

#define CONSOLE_PAGE(cpu) (0xe000ul + 0x1000 * (cpu))

static inline u32 load32(u64 address) { return *(volatile u32 *)address; }
static inline void store32(u64 address, u32 value) { *(volatile u32 *)address = value; }
static inline void barrier(void) { __asm__ volatile("mfence" ::: "memory"); }

// The compiler may call these.
void *memset(void *to, int value, u64 count) {
  for (u8 *at = to; count > 0; count--) *at++ = (u8)value;
  return to;
}

void *memcpy(void *to, const void *from, u64 count) {
  const u8 *source = from;
  for (u8 *at = to; count > 0; count--) *at++ = *source++;
  return to;
}

// Sleeps until there was an interrupt since the last time, or for no reason.
static inline void halt(void) { store32(BOARD + HALT, 0); }

static inline void __attribute__((noreturn)) leave(u32 code) {
  for (;;) store32(BOARD + EXIT, code);
}

// A line for the console: text, and a number where there is a '#'.
static inline void say(u64 cpu, const char *text, u64 number) {
  u8 *page = (u8 *)CONSOLE_PAGE(cpu), *at = page;
  for (; *text; text++) {
    if (*text != '#') {
      *at++ = (u8)*text;
      continue;
    }
    u8 digits[20], *end = digits;
    do *end++ = '0' + number % 10;
    while (number /= 10);
    while (end > digits) *at++ = *--end;
  }
  store32(BOARD + CONSOLE, (u32)(at - page));
}
