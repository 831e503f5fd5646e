{
  'variables': {
    # Every object: no fused multiply-add that the source did not ask for, or the bits would differ between levels.
    'exact_cflags': ['-O3', '-ffp-contract=off', '-fno-math-errno', '-fno-trapping-math', '-Wall', '-Wextra'],
    'avx2_cflags': ['-mavx2', '-mfma', '-mf16c'],
    'avx512_cflags': ['-mavx512f', '-mavx512dq', '-mavx512bw', '-mavx512vl', '-mprefer-vector-width=512', '-Wno-maybe-uninitialized', '-Wno-uninitialized'],
    'vnni_cflags': ['-mavx512vnni'],
  },
  'target_defaults': {
    'default_configuration': 'Release',
    'cflags': ['<@(exact_cflags)'],
    'cflags_cc': ['-std=c++17'],
    'xcode_settings': {
      'OTHER_CFLAGS': ['<@(exact_cflags)'],
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++17',
      'MACOSX_DEPLOYMENT_TARGET': '11.0',
    },
    'msvs_settings': {
      'VCCLCompilerTool': {'AdditionalOptions': ['/std:c++17', '/fp:precise', '/O2'], 'WholeProgramOptimization': 'false'},
      'VCLibrarianTool': {'LinkTimeCodeGeneration': 'false'},
      'VCLinkerTool': {'LinkTimeCodeGeneration': 0},
    },
  },
  'targets': [
    {
      'target_name': 'funnelvec',
      'sources': ['cpp/addon/addon.cc', 'cpp/addon/codes.cc', 'cpp/addon/files.cc', 'cpp/addon/kernels.cc', 'cpp/bits.cc', 'cpp/codes.cc', 'cpp/cpu.cc', 'cpp/crc32c.cc', 'cpp/funnel.cc', 'cpp/hole.cc', 'cpp/lock.cc', 'cpp/pages.cc', 'cpp/records.cc', 'cpp/team.cc', 'cpp/topk.cc', 'cpp/walk.cc'],
      'include_dirs': ["<!(node -p \"require('node-addon-api').include_dir\")"],
      # The last: a thread terminated during asynchronous work can run no JavaScript, and the error that says so would
      # otherwise end the process.
      'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_DISABLE_DEPRECATED', 'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS'],
      'cflags!': ['-fno-exceptions'],
      'cflags_cc!': ['-fno-exceptions', '-fno-rtti'],
      # Else the templates of the bindings are exported, with their long names.
      'cflags_cc': ['-fvisibility=hidden'],
      'xcode_settings': {'GCC_ENABLE_CPP_EXCEPTIONS': 'YES'},
      'msvs_settings': {'VCCLCompilerTool': {'ExceptionHandling': 1}},
      'dependencies': ['isa_scalar'],
      'conditions': [
        ['target_arch=="x64"', {'dependencies': ['isa_avx2', 'isa_avx512', 'isa_avx512vnni']}],
        ['target_arch=="arm64"', {'dependencies': ['isa_neon']}],
        ['OS=="linux"', {'ldflags': ['-Wl,--exclude-libs,ALL', '-Wl,-z,nodelete', '-pthread']}],
      ],
    },
    {
      # One library per instruction set, so that only its own file is compiled with its flags.
      'target_name': 'isa_scalar',
      'type': 'static_library',
      'standalone_static_library': 1,
      'win_delay_load_hook': 'false',
      'sources': ['cpp/isa/scalar.cc'],
    },
  ],
  'conditions': [
    ['target_arch=="x64"', {
      'targets': [
        {
          'target_name': 'isa_avx2',
          'type': 'static_library',
          'standalone_static_library': 1,
          'win_delay_load_hook': 'false',
          'sources': ['cpp/isa/avx2.cc'],
          'cflags': ['<@(avx2_cflags)'],
          'xcode_settings': {'OTHER_CFLAGS': ['<@(avx2_cflags)']},
          'msvs_settings': {'VCCLCompilerTool': {'EnableEnhancedInstructionSet': '5'}},
        },
        {
          'target_name': 'isa_avx512',
          'type': 'static_library',
          'standalone_static_library': 1,
          'win_delay_load_hook': 'false',
          'sources': ['cpp/isa/avx512.cc'],
          'cflags': ['<@(avx2_cflags)', '<@(avx512_cflags)'],
          'xcode_settings': {'OTHER_CFLAGS': ['<@(avx2_cflags)', '<@(avx512_cflags)']},
          'msvs_settings': {'VCCLCompilerTool': {'EnableEnhancedInstructionSet': '6'}},
        },
        {
          'target_name': 'isa_avx512vnni',
          'type': 'static_library',
          'standalone_static_library': 1,
          'win_delay_load_hook': 'false',
          'sources': ['cpp/isa/avx512vnni.cc'],
          'cflags': ['<@(avx2_cflags)', '<@(avx512_cflags)', '<@(vnni_cflags)'],
          'xcode_settings': {'OTHER_CFLAGS': ['<@(avx2_cflags)', '<@(avx512_cflags)', '<@(vnni_cflags)']},
          'msvs_settings': {'VCCLCompilerTool': {'EnableEnhancedInstructionSet': '6'}},
        },
      ],
    }],
    ['target_arch=="arm64"', {
      'targets': [
        {
          'target_name': 'isa_neon',
          'type': 'static_library',
          'standalone_static_library': 1,
          'win_delay_load_hook': 'false',
          'sources': ['cpp/isa/neon.cc'],
        },
      ],
    }],
  ],
}
