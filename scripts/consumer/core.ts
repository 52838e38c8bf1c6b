// The size of this program without Effect is the size of the index of core.
import * as Core from "@quiesce/core"

console.log(Core)
