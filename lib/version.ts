/** The version of this package, which a test holds to package.json: bundlers need a loader for JSON. */
export const VERSION = '0.1.0'
