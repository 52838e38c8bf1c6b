/** Replaces methods for planted faults. */
export type Undo = () => void

/** Replaces a method of a class, which may be private. */
export const replace = (prototype: object, name: string, make: (before: Function) => Function): Undo => {
  const before: Function = Reflect.get(prototype, name)
  Reflect.set(prototype, name, make(before))
  return () => void Reflect.set(prototype, name, before)
}
