'use strict'

const native = require('./native.js')

require('./dist/index.js').install(native)

// In this form, so that Node finds the names for `import { … } from 'vm-memory'`.
module.exports = require('./native.js')
