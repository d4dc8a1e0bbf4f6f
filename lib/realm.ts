/** What the addon has for the instance of this package that installs itself. */
import { addon } from './addon'
import type { Door } from './door'

/** The door, which is taken off the exports here. */
export const door = addon.door as Door
delete addon.door

/**
 * The realm of the addon. Rust makes all its answers in it, and so does this package, which may run in another one itself: test
 * runners have contexts of `node:vm` for their files.
 */
export const realm = door.realm()
