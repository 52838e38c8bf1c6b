/** The handlers of the leases that every host can keep, as far as the host allows them. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as WorkerError from "../../../WorkerError.ts"
import type { ReadyName } from "../../wire/readyNames.ts"
import type { DeclaredLease, Handler } from "../declaredLease.ts"
import { invalidIn, millisOfGrace, type Permissions } from "../permissions.ts"
import * as Declared from "./declared.ts"
import { laterPart } from "../../wire/laterPart.ts"
import { notAllowed } from "./system.ts"

type Acquire<P, A> = (payload: P) => Effect.Effect<A, Declared.HostLeaseError, Scope.Scope>

/** A refused lease has a handler, too: a request for it must not reach a host above, which may allow more. */
const handler = <P, A>(
  lease: DeclaredLease<P, A, Declared.HostLeaseError>,
  acquire: Acquire<P, A> | undefined
): Handler => ({
  name: lease.name,
  // Only the codec is used from here on, and it has decoded the payload that `acquire` gets.
  lease: lease as unknown as Handler["lease"],
  acquire: (acquire ?? refuse(lease.name as ReadyName)) as Handler["acquire"],
  isKept: true
})

const refuse = (name: ReadyName) => (): Effect.Effect<never, Declared.HostLeaseError> => {
  const option = name.slice(name.indexOf(".") + 1)
  return Effect.fail(notAllowed(name, `its pool allows none. Allow it by the option ${option} of the pool's leases`))
}

/** Throws `InvalidOption`. */
export const make = (permissions: Permissions): ReadonlyArray<Handler> => {
  const invalid = invalidIn(permissions)
  if (invalid !== undefined) throw WorkerError.make({ _tag: "InvalidOption", ...invalid })
  const { childProcess, fileHandle, lockFile, temporaryFolder } = permissions
  const graceMillis = millisOfGrace(childProcess?.grace)
  return [
    handler(
      Declared.temporaryFolder,
      temporaryFolder === false
        ? undefined
        : loaded(loadTemporaryFolder, (code, payload) => code.acquire(temporaryFolder?.root, payload))
    ),
    handler(
      Declared.lockFile,
      lockFile && loaded(loadLockFile, (code, payload) => code.acquire(lockFile.roots, payload))
    ),
    handler(
      Declared.childProcess,
      childProcess &&
        loaded(loadChildProcess, (code, payload) => code.acquire(childProcess.commands, graceMillis, payload))
    ),
    handler(
      Declared.fileHandle,
      fileHandle && loaded(loadFileHandle, (code, payload) => code.acquire(fileHandle.roots, payload))
    )
  ]
}

const loadTemporaryFolder = () => import("./temporaryFolder.ts")
const loadLockFile = () => import("./lockFile.ts")
const loadChildProcess = () => import("./childProcess.ts")
const loadFileHandle = () => import("./fileHandle.ts")

/**
 * Acquires by code that is loaded from now on. A worker imports the declared leases, makes no handlers and loads none of that
 * code. A host does not wait for its first request, because its files may have been replaced by then, as in a deploy.
 */
const loaded = <Code extends object, P, A>(
  load: () => Promise<Code>,
  acquire: (code: Code, payload: P) => ReturnType<Acquire<P, A>>
): Acquire<P, A> => {
  const loading = laterPart(load())
  // The request tries again.
  loading.catch(() => {})
  return (payload) =>
    Effect.flatMap(
      // In a bundle, the code may come after the code that makes the handlers.
      Effect.promise(() => loading.catch(() => laterPart(load()))),
      (code) => acquire(code, payload)
    )
}
