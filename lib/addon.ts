/** The addon. It is loaded before any other module of this package runs. */
import { type Addon, load } from './load'

export const addon: Addon = load()
