/**
 * The threads of `@quiesce/core` on OS threads: workers whose threads can be stopped, interrupted, unwound and killed.
 *
 * @since 0.1.0
 */
export * as HostLease from "./HostLease.ts"
export * as HostLeases from "./HostLeases.ts"
export * as LockError from "./LockError.ts"
export * as ModuleUrl from "./ModuleUrl.ts"
export * as RpcProtocol from "./RpcProtocol.ts"
export * as Schemas from "./Schemas.ts"
export * as SharedMutex from "./SharedMutex.ts"
export * as SharedSemaphore from "./SharedSemaphore.ts"
export * as Task from "./Task.ts"
export * as ThreadWorker from "./ThreadWorker.ts"
export * as WorkerError from "./WorkerError.ts"
export * as WorkerPool from "./WorkerPool.ts"
export * as WorkerPoolMetrics from "./WorkerPoolMetrics.ts"
