/** The parts and the words of failures. A worker loads this module when one of its calls fails: see `onDemand.ts`. */
export { messageOf } from "@quiesce/core/internal/plainText"
export { thrown } from "../thrown.ts"
