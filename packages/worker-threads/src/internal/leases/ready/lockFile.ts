/**
 * A file that at most one process holds. The file names its owner, and the lock of a dead owner passes on.
 *
 * Invariants:
 * 1. A lock file appears whole, by a link or a rename, so that no reader sees a part of it.
 * 2. Only its owner removes a lock file, and only its owner's death lets another process replace it.
 * 3. One process replaces the file of a dead owner: the one that holds the claim on it, a lock file of its own that is
 *    named after the owner's token. A token never comes again, so a late contender finds the token changed and gives its
 *    claim back. A claim whose owner has died is replaced in the same way.
 */
import { constants } from "node:fs"
import { link, open, rename, unlink, writeFile } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { readyName } from "../../wire/readyNames.ts"
import { HostLeaseError, type LockFile, type LockFileRequest } from "./declared.ts"
import * as LockOwner from "./lockOwner.ts"
import { attempt, codeOf, placeIn } from "./system.ts"

const name = readyName("lockFile")

/** How one attempt has ended. */
type Outcome =
  | { readonly _tag: "Taken"; readonly token: string; readonly ownerDied: boolean }
  | { readonly _tag: "Held"; readonly by: LockOwner.Owner }
  /** Another process was faster, so the next attempt sees something else. */
  | { readonly _tag: "Changed" }

const changed: Outcome = { _tag: "Changed" }

/** The first and the longest pause between two attempts, in milliseconds. */
const firstPause = 10
const longestPause = 250

/**
 * *Cancellation*: a wait ends at once, and an attempt that has begun is undone. A lock that was taken is registered before
 * the fiber can be interrupted.
 */
export const acquire = (
  roots: ReadonlyArray<string>,
  { path, wait = true }: LockFileRequest
): Effect.Effect<LockFile, HostLeaseError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const place = yield* attempt(name, () => placeIn(name, roots, path))
      for (let pause = firstPause; ; pause = Math.min(2 * pause, longestPause)) {
        const outcome = yield* attempt(name, () => settled(place))
        if (outcome._tag === "Taken") {
          yield* Scope.addFinalizer(
            yield* Scope.Scope,
            Effect.promise(() => release(place, outcome.token))
          )
          return { path: place, ownerDied: outcome.ownerDied }
        }
        if (!wait) return yield* held(place, outcome.by)
        yield* restore(Effect.sleep(pause))
      }
    })
  )

const held = (path: string, { host, pid }: LockOwner.Owner): HostLeaseError =>
  new HostLeaseError({
    lease: name,
    reason: { _tag: "LockFileHeld", pid, host },
    message: `${path} is held by process ${pid} on ${host}. Wait for it, or remove the file if that process has ended.`
  })

/** Tries until the file is taken, or a process that runs holds it. */
const settled = async (path: string): Promise<Exclude<Outcome, { readonly _tag: "Changed" }>> => {
  for (;;) {
    const outcome = await take(path)
    if (outcome._tag !== "Changed") return outcome
  }
}

const take = async (path: string): Promise<Outcome> => {
  const owner = await ownerOf(path)
  if (owner === undefined) return create(path)
  return LockOwner.hasEnded(owner) ? replace(path, owner) : { _tag: "Held", by: owner }
}

const create = (path: string): Promise<Outcome> =>
  withCandidate(path, async (candidate, { token }) => {
    try {
      await link(candidate, path)
      return { _tag: "Taken", token, ownerDied: false }
    } catch (error) {
      // Some file systems of a network make the link and report an error.
      if ((await ownerOf(path))?.token === token) return { _tag: "Taken", token, ownerDied: false }
      if (codeOf(error) === "EEXIST") return changed
      throw error
    }
  })

const replace = async (path: string, dead: LockOwner.Owner): Promise<Outcome> => {
  const claimPath = `${path}.${dead.token}`
  const claim = await settled(claimPath)
  if (claim._tag === "Held") return { _tag: "Held", by: claim.by }
  try {
    const now = await ownerOf(path)
    if (now?.token !== dead.token) return changed
    return await withCandidate(path, async (candidate, { token }) => {
      await rename(candidate, path)
      return { _tag: "Taken", token, ownerDied: true }
    })
  } finally {
    // The claim has no use after this attempt. If it stays, the next contender waits until this process has ended.
    await release(claimPath, claim.token).catch(() => {})
  }
}

/** Makes a complete lock file beside the path. */
const withCandidate = async <A>(
  path: string,
  use: (file: string, owner: LockOwner.Owner) => Promise<A>
): Promise<A> => {
  const owner = LockOwner.newOwner()
  const file = `${path}.${owner.token}`
  try {
    // Written to the disk first, because a lock file that is empty after a power failure would be held for ever.
    await writeFile(file, LockOwner.encode(owner), { flag: "wx", flush: true })
    return await use(file, owner)
  } finally {
    await unlink(file).catch(() => {})
  }
}

const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** A lock file is shorter. */
const mostBytes = 4096

/** Undefined if there is no file. Throws `NotALockFile` for any other file. */
const ownerOf = async (path: string): Promise<LockOwner.Owner | undefined> => {
  const text = await textOf(path)
  if (text === undefined) return undefined
  const owner = LockOwner.decode(text)
  if (owner !== undefined) return owner
  throw new HostLeaseError({
    lease: name,
    reason: { _tag: "NotALockFile" },
    message: `${path} is no lock file of this library, so it was left alone. Name another path, or remove the file.`
  })
}

const textOf = async (path: string): Promise<string | undefined> => {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path, flags)
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined
    // A link in place of the file.
    if (codeOf(error) === "ELOOP") return ""
    throw error
  }
  try {
    if (!(await file.stat()).isFile()) return ""
    const { buffer, bytesRead } = await file.read(Buffer.alloc(mostBytes), 0, mostBytes, 0)
    return buffer.toString("utf8", 0, bytesRead)
  } finally {
    await file.close()
  }
}

const release = async (path: string, token: string): Promise<void> => {
  const owner = await ownerOf(path)
  if (owner?.token === token) return unlink(path)
  const now = owner === undefined ? "was removed" : `was taken over by process ${owner.pid}`
  throw new Error(`${path} ${now} while it was held, so it was not removed. Only the owner may remove a lock file.`)
}
