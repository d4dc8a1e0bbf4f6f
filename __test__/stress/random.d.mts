export declare function randomNumbers(seed: number): (below: number) => number
