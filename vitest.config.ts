// Vitest finds its configuration under this name only.
export { default } from "./vitest.workspace.ts"
