package keyvault

// Check reports what is wrong with the configuration itself: values, and files of
// secrets and authorities that can't be used. It asks nobody.
func (c Config) Check() error {
	vault, err := newVault(c, defaultTuning())
	if err != nil {
		return err
	}
	vault.Close()
	return nil
}
