/**
 * Threads on several machines, on Effect's cluster engine.
 *
 * @since 0.1.0
 */
export * as ClusterEntity from "./ClusterEntity.ts"
export * as ClusterError from "./ClusterError.ts"
export * as ClusterLease from "./ClusterLease.ts"
export * as ClusterRunner from "./ClusterRunner.ts"
export * as ClusterStore from "./ClusterStore.ts"
export * as ClusterThreads from "./ClusterThreads.ts"
export * as Fence from "./Fence.ts"
