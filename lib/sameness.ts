/**
 * What tells two objects of one class apart where objects are compared by what they show.
 *
 * `assert.deepStrictEqual` compares own listed properties, of which these objects have none: any two maps would be
 * equal. It also compares what `Object.prototype.toString` says. So that names a number that no other object has. The
 * number is given when somebody asks for it: objects that nobody compares cost nothing.
 */
import type * as VmMemory from '../index'
import { uncurryThis } from './intrinsics'
import { isClass } from './receivers'

// As they are now: numbers must not change with a method that is replaced.
const find = uncurryThis(WeakMap.prototype.get as WeakMap<object, number>['get'])
const keep = uncurryThis(WeakMap.prototype.set as WeakMap<object, number>['set'])

const numbers = new WeakMap<object, number>()
let last = 0

function numberOf(object: object): number {
  const known = find(numbers, object)
  if (known !== undefined) return known
  last += 1
  keep(numbers, object, last)
  return last
}

export function installSameness(native: typeof VmMemory): void {
  for (const value of Object.values<unknown>(native)) {
    if (!isClass(value)) continue
    const { name, prototype } = value
    Object.defineProperty(prototype, Symbol.toStringTag, {
      configurable: true,
      get(this: unknown) {
        const isInstance = typeof this === 'object' && this !== null && this !== prototype
        return isInstance ? `${name} ${numberOf(this)}` : name
      },
    })
  }
}
