output "vault_url" {
  value       = azurerm_key_vault.signer.vault_uri
  description = "vaults[].url of the configuration."
}

output "client_id" {
  value       = azurerm_user_assigned_identity.signer.client_id
  description = "workloadIdentity.clientId of the chart, or client_id of the credential."
}

output "key_ids" {
  value       = { for name, key in azurerm_key_vault_key.account : name => key.id }
  description = "The keys with their versions. kvclef keys list shows their addresses."
}
