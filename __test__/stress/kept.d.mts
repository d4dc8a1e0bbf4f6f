export declare function keptForEver(): number
export declare function recovered(): number
