/** Takes a method that is for this package alone off a class. */
export function take<T, K extends keyof T>(prototype: object, name: K): T[K] {
  const method = Reflect.get(prototype, name) as T[K]
  Reflect.deleteProperty(prototype, name)
  return method
}
