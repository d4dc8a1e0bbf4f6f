'use strict'

function load() {
  try {
    return require('./native.js')
  } catch (error) {
    throw require('./dist/unavailable.js').unavailable(error)
  }
}

require('./dist/index.js').install(load())

// In this form, so that Node finds the names for `import { … } from 'vm-memory'`.
module.exports = require('./native.js')
