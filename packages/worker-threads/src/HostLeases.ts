/**
 * Leases that most programs need, ready for a pool: a temporary folder, a lock file, a child process, a file handle. The
 * host releases each of them however the worker's thread ends: by success, failure, interrupt, unwind, kill or crash.
 *
 * The host passes `handlers` to `WorkerPool.make` and names the resources that its workers may ask for. A task asks with
 * `HostLease.acquire`. Plain functions have the same leases as `context.lease`.
 *
 * The limits guard against mistakes and against names from outside. They are no sandbox: the code of a worker can open
 * files and start processes itself, because the threads of a process share its rights.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import type { Handler, HostLease } from "./HostLease.ts"
import type * as PermissionsOf from "./internal/leases/permissions.ts"
import * as Declared from "./internal/leases/ready/declared.ts"
import * as Handlers from "./internal/leases/ready/handlers.ts"
import * as Ready from "./internal/wire/readyLeases.ts"
import { wrongArgument } from "./internal/wire/wrongArgument.ts"

/**
 * The resources that workers may ask for. Resources that are not named are refused, except temporary folders.
 *
 * - `temporaryFolder`: false, or the folder in which the temporary folders are made (default: the folder of the system)
 * - `lockFile.roots`: the folders in which lock files may be made, at any depth
 * - `fileHandle.roots`: the folders in which files may be opened, at any depth
 * - `childProcess.commands`: the commands that may be started, each with any arguments, or a function that decides.
 *   `childProcess.grace`: how long a process may take to end after SIGTERM, before SIGKILL (default: 2 seconds)
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Permissions = PermissionsOf.Permissions

/**
 * A process that a worker asks for, before the host has started it.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type Command = PermissionsOf.Command

/**
 * Why a host does not keep a lease.
 *
 * - `NotAllowed`: the pool does not allow that path or that command to its workers
 * - `LockFileHeld`: a running process holds the lock file, and the request does not wait
 * - `NotALockFile`: a file of another kind is in the place of the lock file
 * - `SystemError`: the system refuses, with its code, such as `ENOENT`
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type HostLeaseErrorReason = Declared.HostLeaseErrorReason

/**
 * The host does not keep a lease. `lease` is its name and `reason._tag` the case; `message` says how to go on.
 *
 * @stability unstable
 * @category errors
 * @since 0.1.0
 */
export type HostLeaseError = Declared.HostLeaseError

/** A folder in the file system. @stability unstable @category models @since 0.1.0 */
export type TemporaryFolder = Declared.TemporaryFolder

/** A held lock file. `ownerDied`: see `lockFile`. @stability unstable @category models @since 0.1.0 */
export type LockFile = Declared.LockFile

/** A process of the host. `awaitExit` waits for its end. @stability unstable @category models @since 0.1.0 */
export type ChildProcess = Declared.ChildProcess

/** The number of an open file. @stability unstable @category models @since 0.1.0 */
export type FileHandle = Declared.FileHandle

/**
 * How a child process has ended: by itself with a code, or by a signal.
 *
 * @stability unstable
 * @category models
 * @since 0.1.0
 */
export type ProcessExit = Ready.ProcessExit

/**
 * An empty folder, which is removed with its contents. `prefix` is the beginning of its name.
 *
 * *Gotchas*: the release fails if another folder was put in its place. If the host exits, it removes the folder. A host that
 * is killed, or ends by a signal without a handler for it, leaves the folder.
 *
 * @stability unstable
 * @category leases
 * @since 0.1.0
 */
export const temporaryFolder: HostLease<Declared.TemporaryFolderRequest, TemporaryFolder, HostLeaseError> =
  Declared.temporaryFolder

/**
 * A lock between processes: at most one process of the machine holds the file at `path`. The file names its owner. If the
 * owner has ended without its release, the lock passes to one of the waiters, with `ownerDied`: the protected data may then
 * be half written. A request waits for another owner, unless `wait` is false.
 *
 * *Gotchas*: waiters are not served in order. The owner counts as running if it can't be looked at: on another machine, in
 * another container, or, except on Linux, under a number that another process has by now. The release fails if the file was
 * removed or replaced. The file system must know links.
 *
 * *Cancellation*: the request is withdrawn, and leaves no file.
 *
 * @stability unstable
 * @category leases
 * @since 0.1.0
 */
export const lockFile: HostLease<Declared.LockFileRequest, LockFile, HostLeaseError> = Declared.lockFile

/**
 * A process that the host starts without a shell, in a group of its own, with the environment of the host. Its output is
 * ignored, or goes to the output of the host.
 *
 * The release sends SIGTERM to the whole group, and SIGKILL after a grace. It completes when no process of the group runs.
 * A process that has left the group by itself is not reached. On Windows there is no grace: `taskkill` ends the tree of
 * the process while the process runs, and descendants of an ended process stay.
 *
 * *Gotchas*: if the host exits, it kills the group. A host that is killed, or ends by a signal without a handler for it,
 * leaves the group running.
 *
 * @stability unstable
 * @category leases
 * @since 0.1.0
 */
export const childProcess: HostLease<Declared.ChildProcessRequest, ChildProcess, HostLeaseError> = Declared.childProcess

/**
 * An open file, for functions such as `fs.readSync(fd, ...)`. All threads of a process share the number. `flags` are those
 * of `fs.open` (default: "r").
 *
 * *Gotchas*: leave the closing to the host. The release fails if the number was closed, and never closes another file that
 * got the same number.
 *
 * @stability unstable
 * @category leases
 * @since 0.1.0
 */
export const fileHandle: HostLease<Declared.FileHandleRequest, FileHandle, HostLeaseError> = Declared.fileHandle

/**
 * The handlers of all four leases. Requests outside the permissions fail with `NotAllowed`, also if a pool above would
 * allow them. Throws `InvalidOption` for permissions that can't be used.
 *
 * ```ts
 * import { HostLease, HostLeases } from "@quiesce/worker-threads"
 *
 * // On the host: WorkerPool.make(Tasks, { spawn, hostLeases: HostLeases.handlers({ lockFile: { roots: ["/srv/data"] } }) })
 * // In a task:
 * const lock = HostLease.acquire(HostLeases.lockFile, { path: "/srv/data/import.lock" })
 * ```
 *
 * @stability unstable
 * @category constructors
 * @since 0.1.0
 */
export const handlers = (permissions: Permissions = {}): ReadonlyArray<Handler> => Handlers.make(permissions)

/**
 * Waits until a child process has exited, by itself or by its release.
 *
 * *Cancellation*: the process runs on until its release.
 *
 * @stability unstable
 * @category combinators
 * @since 0.1.0
 */
export const awaitExit = (self: ChildProcess): Effect.Effect<ProcessExit> =>
  hasProperty(self, "state") && self.state instanceof Int32Array
    ? Effect.promise(() => Ready.whenExited(self.state))
    : Effect.die(
        wrongArgument("HostLeases.awaitExit's process", self, "a process; acquire one by HostLeases.childProcess")
      )
