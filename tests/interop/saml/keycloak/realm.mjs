// Keycloak's side: the realm, our client in it, and its keys.

const REALM = '/admin/realms/acme';
const ATTRIBUTES = ['email', 'firstName', 'lastName'];

export class Realm {
  static async make(keycloak, password) {
    const realm = new Realm();
    realm.keycloak = keycloak;
    realm.url = `${keycloak.url}/realms/acme`;
    realm.descriptorUrl = `${realm.url}/protocol/saml/descriptor`;
    realm.logoutUrl = `${realm.url}/protocol/openid-connect/logout`;
    await keycloak.call('POST', '/admin/realms', {
      realm: 'acme',
      enabled: true,
      displayName: 'Acme',
      sslRequired: 'none',
      users: [{
        username: 'alice', enabled: true, email: 'alice@acme.test', emailVerified: true, firstName: 'Alice', lastName: 'Arnold',
        credentials: [{ type: 'password', value: password, temporary: false }],
      }],
    });
    [realm.alice] = await keycloak.call('GET', `${REALM}/users?username=alice&exact=true`);
    realm.id = (await keycloak.call('GET', REALM)).id;
    return realm;
  }

  /** What Keycloak makes of a service provider's metadata. */
  read(metadata) {
    return this.keycloak.call('POST', `${REALM}/client-description-converter`, metadata, 'application/xml');
  }

  /** Makes the client that the metadata describes, and lets it say who the person is. */
  async addClient(metadata) {
    const described = await this.read(metadata);
    await this.keycloak.call('POST', `${REALM}/clients`, {
      ...described,
      attributes: { ...described.attributes, saml_name_id_format: 'email', saml_force_name_id_format: 'true', saml_idp_initiated_sso_url_name: 'vestibule' },
      protocolMappers: ATTRIBUTES.map((name) => ({
        name, protocol: 'saml', protocolMapper: 'saml-user-property-mapper',
        config: { 'user.attribute': name, 'attribute.name': name, 'attribute.nameformat': 'Basic' },
      })),
    });
    [this.client] = await this.keycloak.call('GET', `${REALM}/clients?clientId=${encodeURIComponent(described.clientId)}`);
    return described;
  }

  /** Changes attributes of the client, or members of it. */
  async setClient(attributes, members = {}) {
    this.client = { ...this.client, ...members, attributes: { ...this.client.attributes, ...attributes } };
    await this.keycloak.call('PUT', `${REALM}/clients/${this.client.id}`, this.client);
  }

  /** Where a link in Keycloak's own menus leads. */
  get startUrl() {
    return `${this.url}/protocol/saml/clients/vestibule`;
  }

  async descriptor() {
    return (await fetch(this.descriptorUrl.replace(this.keycloak.url, this.keycloak.local))).text();
  }

  addKey(name, providerId, config) {
    return this.keycloak.call('POST', `${REALM}/components`, {
      name, providerId, providerType: 'org.keycloak.keys.KeyProvider', parentId: this.id,
      config: { priority: ['200'], enabled: ['true'], active: ['true'], ...config },
    });
  }

  /** The providers of the realm's signing keys by RSA. */
  async keyProviders() {
    const found = await this.keycloak.call('GET', `${REALM}/components?type=org.keycloak.keys.KeyProvider`);
    return found.filter(({ providerId }) => providerId === 'rsa-generated');
  }

  async setKey(provider, config) {
    await this.keycloak.call('PUT', `${REALM}/components/${provider.id}`, { ...provider, config: { ...provider.config, ...config } });
  }

  removeKey(provider) {
    return this.keycloak.call('DELETE', `${REALM}/components/${provider.id}`);
  }

  /** An administrator ends all sessions of the person; Keycloak then speaks to its clients itself. */
  endSessions() {
    return this.keycloak.call('POST', `${REALM}/users/${this.alice.id}/logout`);
  }
}
