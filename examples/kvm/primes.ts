/** How many primes there are below so many MiB, taken as a number: what a sieve with a byte for each number has to find. */
export const PRIMES: ReadonlyMap<number, number> = new Map([
  [1, 82_025],
  [2, 155_611],
  [4, 295_947],
  [8, 564_163],
  [16, 1_077_871],
  [32, 2_063_689],
  [64, 3_957_809],
  [128, 7_603_553],
  [256, 14_630_843],
  [512, 28_192_750],
])
