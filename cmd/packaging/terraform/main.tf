# A vault for kvclef: a key that signs, an identity that may do that and nothing
# else, and a record of who did. Roles are Azure RBAC; there are no access policies.
#
# Who applies it needs, beside the right to make these, the role Key Vault Crypto
# Officer on the vault for the keys, and an address in allowed_ip_ranges.

terraform {
  required_version = ">= 1.5"
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.45.0, < 5.0.0"
    }
  }
}

data "azurerm_client_config" "current" {}

data "azurerm_resource_group" "signer" {
  name = var.resource_group_name
}

resource "azurerm_key_vault" "signer" {
  name                = var.vault_name
  resource_group_name = var.resource_group_name
  location            = var.location
  tenant_id           = data.azurerm_client_config.current.tenant_id
  sku_name            = var.hardware ? "premium" : "standard"

  rbac_authorization_enabled = true

  # A deleted key is an account that can't send any more. Nobody can purge it.
  purge_protection_enabled   = true
  soft_delete_retention_days = 90

  public_network_access_enabled = var.public_network_access
  network_acls {
    bypass                     = "None"
    default_action             = "Deny"
    ip_rules                   = var.allowed_ip_ranges
    virtual_network_subnet_ids = var.allowed_subnet_ids
  }

  tags = var.tags
}

# Keys of curve P-256K, which Ethereum calls secp256k1. They sign, and nothing else.
#
# Rotation: a new version of a key is a new account with another address, so there is
# no rotation policy. Move funds first, then disable the old version: see
# docs/operations.md.
resource "azurerm_key_vault_key" "account" {
  for_each = var.keys

  name         = each.key
  key_vault_id = azurerm_key_vault.signer.id
  key_type     = var.hardware ? "EC-HSM" : "EC"
  curve        = "P-256K"
  key_opts     = ["sign", "verify"]
  tags         = var.tags

  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_user_assigned_identity" "signer" {
  name                = var.identity_name
  resource_group_name = var.resource_group_name
  location            = var.location
  tags                = var.tags
}

# Less than the smallest built-in role that can sign: that encrypts, wraps and
# updates, too.
resource "azurerm_role_definition" "signer" {
  name        = var.role_name
  scope       = data.azurerm_resource_group.signer.id
  description = "Reads public keys and signs with them."

  permissions {
    actions     = []
    not_actions = []
    data_actions = [
      "Microsoft.KeyVault/vaults/keys/read",
      "Microsoft.KeyVault/vaults/keys/sign/action",
    ]
    not_data_actions = []
  }

  assignable_scopes = [data.azurerm_resource_group.signer.id]
}

resource "azurerm_role_assignment" "signer" {
  scope              = azurerm_key_vault.signer.id
  role_definition_id = azurerm_role_definition.signer.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.signer.principal_id
  principal_type     = "ServicePrincipal"
}

# The pods of the chart in cmd/packaging/helm, by the cluster's issuer.
resource "azurerm_federated_identity_credential" "signer" {
  for_each = var.federated_subjects

  name                = each.key
  resource_group_name = var.resource_group_name
  parent_id           = azurerm_user_assigned_identity.signer.id
  audience            = ["api://AzureADTokenExchange"]
  issuer              = each.value.issuer
  subject             = each.value.subject
}

# Who asked for what, kept where the signer can't reach it: to compare with the
# signer's own audit log.
resource "azurerm_monitor_diagnostic_setting" "vault" {
  name                       = "audit"
  target_resource_id         = azurerm_key_vault.signer.id
  log_analytics_workspace_id = var.log_analytics_workspace_id

  enabled_log {
    category_group = "audit"
  }

  enabled_metric {
    category = "AllMetrics"
  }
}
