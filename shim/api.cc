// Placeholder until the first wrapper lands.
extern "C" __attribute__((visibility("default"))) const char* unblock_version(void) { return "0.1.0"; }
