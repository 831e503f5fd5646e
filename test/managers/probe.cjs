const { listKernels } = require('funnelvec');
exports.active = () => listKernels().find(({ active }) => active).name;
