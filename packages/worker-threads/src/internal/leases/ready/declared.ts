/** The declared leases that every host can keep, and their error. */
import { errorBase } from "@quiesce/core/internal"
import type * as Cause from "effect/Cause"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as Codec from "../../wire/codec.ts"
import { isProcessState, type ProcessState } from "../../wire/readyLeases.ts"
import { readyName } from "../../wire/readyNames.ts"
import { declare, type DeclaredLease } from "../declaredLease.ts"

/**
 * Why the host does not keep a lease.
 *
 * - `NotAllowed`: the pool does not allow that path or that command to its workers
 * - `LockFileHeld`: a process that runs holds the lock file, and the request does not wait
 * - `NotALockFile`: there is a file of another kind where the lock file should be
 * - `SystemError`: the system refuses, with its code, such as `ENOENT`
 */
export type HostLeaseErrorReason =
  | { readonly _tag: "NotAllowed" }
  | { readonly _tag: "LockFileHeld"; readonly pid: number; readonly host: string }
  | { readonly _tag: "NotALockFile" }
  | { readonly _tag: "SystemError"; readonly code: string }

interface Fields {
  readonly lease: string
  readonly reason: HostLeaseErrorReason
  readonly message: string
}

const Base: new (fields: Fields) => Cause.YieldableError & Fields & { readonly _tag: "HostLeaseError" } =
  /* @__PURE__ */ errorBase("HostLeaseError")

/** The host does not keep a lease. */
export class HostLeaseError extends Base {}

const Reason: Schema.Codec<HostLeaseErrorReason> = Schema.Union([
  Schema.TaggedStruct("NotAllowed", {}),
  Schema.TaggedStruct("LockFileHeld", { pid: Schema.Number, host: Schema.String }),
  Schema.TaggedStruct("NotALockFile", {}),
  Schema.TaggedStruct("SystemError", { code: Schema.String })
])

const ErrorSchema: Schema.Codec<HostLeaseError, Fields & { readonly _tag: "HostLeaseError" }> = Schema.TaggedStruct(
  "HostLeaseError",
  { lease: Schema.String, reason: Reason, message: Schema.String }
).pipe(
  Schema.decodeTo(Schema.instanceOf(HostLeaseError), {
    decode: SchemaGetter.transform((fields) => new HostLeaseError(fields)),
    encode: SchemaGetter.transform(({ lease, message, reason }) => ({
      _tag: "HostLeaseError" as const,
      lease,
      reason,
      message
    }))
  })
)

/** A folder that the host has made. */
export interface TemporaryFolder {
  readonly path: string
}

/** The beginning of the folder's name. */
export interface TemporaryFolderRequest {
  readonly prefix?: string | undefined
}

/** A held lock file. `ownerDied`: an earlier owner has ended without its release. */
export interface LockFile {
  readonly path: string
  readonly ownerDied: boolean
}

/** `wait`: whether to wait for another owner (default: true). */
export interface LockFileRequest {
  readonly path: string
  readonly wait?: boolean | undefined
}

/** A process of the host. */
export interface ChildProcess {
  readonly pid: number
  readonly state: ProcessState
}

/**
 * A command, which runs without a shell. `output`: its standard output and error are ignored, or are those of the host
 * (default: "ignore").
 */
export interface ChildProcessRequest {
  readonly command: string
  readonly args?: ReadonlyArray<string> | undefined
  readonly cwd?: string | undefined
  readonly output?: "ignore" | "inherit" | undefined
}

/** An open file. All threads of a process share the number. */
export interface FileHandle {
  readonly fd: number
}

/** How a file can be opened: as in `fs.open`. */
export type FileFlags = (typeof fileFlags)[number]

const fileFlags = ["r", "r+", "w", "wx", "w+", "wx+", "a", "ax", "a+", "ax+"] as const

/** `flags` as in `fs.open` (default: "r"). */
export interface FileHandleRequest {
  readonly path: string
  readonly flags?: FileFlags | undefined
}

const make = <P, A>(
  name: string,
  payload: Schema.Codec<P, unknown>,
  success: Schema.Codec<A, unknown>
): DeclaredLease<P, A, HostLeaseError> => declare(Codec.make(name, { payload, success, error: ErrorSchema }))

export const temporaryFolder: DeclaredLease<TemporaryFolderRequest, TemporaryFolder, HostLeaseError> = make(
  readyName("temporaryFolder"),
  Schema.Struct({ prefix: Schema.optional(Schema.String) }),
  Schema.Struct({ path: Schema.String })
)

export const lockFile: DeclaredLease<LockFileRequest, LockFile, HostLeaseError> = make(
  readyName("lockFile"),
  Schema.Struct({ path: Schema.String, wait: Schema.optional(Schema.Boolean) }),
  Schema.Struct({ path: Schema.String, ownerDied: Schema.Boolean })
)

export const childProcess: DeclaredLease<ChildProcessRequest, ChildProcess, HostLeaseError> = make(
  readyName("childProcess"),
  Schema.Struct({
    command: Schema.String,
    args: Schema.optional(Schema.Array(Schema.String)),
    cwd: Schema.optional(Schema.String),
    output: Schema.optional(Schema.Literals(["ignore", "inherit"]))
  }),
  Schema.Struct({ pid: Schema.Number, state: Schema.declare(isProcessState) })
)

export const fileHandle: DeclaredLease<FileHandleRequest, FileHandle, HostLeaseError> = make(
  readyName("fileHandle"),
  Schema.Struct({ path: Schema.String, flags: Schema.optional(Schema.Literals(fileFlags)) }),
  Schema.Struct({ fd: Schema.Number })
)
