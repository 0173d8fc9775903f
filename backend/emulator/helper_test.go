package emulator_test

// helperVariable makes the test binary run a helper program instead of tests.
const helperVariable = "EMULATOR_TEST_HELPER"

func runHelper() int { return 0 }
