// Windows binds a DLL's imports by the file name of the program, node.exe; Electron, Bun and renamed copies have
// others. So this addon imports none of Node-API: calls go through pointers (that is all that an import is), which are
// filled here, when the DLL is loaded, from the program itself.
#include <windows.h>

// FUNNELVEC_HOST_FUNCTIONS(F), of the functions that the objects ask for: the build writes it.
#include "host-functions.h"

extern "C" {
#define FUNNELVEC_POINTER(name) void* __imp_##name = nullptr;
FUNNELVEC_HOST_FUNCTIONS(FUNNELVEC_POINTER)
#undef FUNNELVEC_POINTER

// A false answer makes the loading fail.
BOOL WINAPI DllMain(HINSTANCE, DWORD reason, LPVOID) {
  if (reason != DLL_PROCESS_ATTACH) return TRUE;
  // Node.js may be built as a DLL itself.
  HMODULE host = GetModuleHandleW(L"libnode.dll");
  if (host == nullptr) host = GetModuleHandleW(nullptr);
#define FUNNELVEC_FIND(name)                                           \
  __imp_##name = reinterpret_cast<void*>(GetProcAddress(host, #name)); \
  if (__imp_##name == nullptr) return FALSE;
  FUNNELVEC_HOST_FUNCTIONS(FUNNELVEC_FIND)
#undef FUNNELVEC_FIND
  return TRUE;
}
}
