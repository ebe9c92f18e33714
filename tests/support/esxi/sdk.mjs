// The little of an ESXi host's SOAP API (vim25) that Packer's esx5 mode asks for before it turns to SSH: a login, and which datacenter there is.
// Usage: sdk.mjs <key file> <certificate file>. Prints a line once it listens on port 443.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';

const [key, cert] = process.argv.slice(2).map((path) => readFileSync(path));
const TIME = '2026-01-01T00:00:00Z';

const ANSWERS = {
  RetrieveServiceContent: `<returnval><rootFolder type="Folder">ha-folder-root</rootFolder>
<propertyCollector type="PropertyCollector">ha-property-collector</propertyCollector>
<about><name>VMware ESXi</name><fullName>VMware ESXi 8.0.2</fullName><vendor>VMware, Inc.</vendor><version>8.0.2</version><build>0</build>
<osType>vmnix-x86</osType><productLineId>embeddedEsx</productLineId><apiType>HostAgent</apiType><apiVersion>8.0.2.0</apiVersion></about>
<sessionManager type="SessionManager">ha-sessionmgr</sessionManager><searchIndex type="SearchIndex">ha-searchindex</searchIndex></returnval>`,
  Login: `<returnval><key>1</key><userName>root</userName><fullName>root</fullName><loginTime>${TIME}</loginTime>
<lastActiveTime>${TIME}</lastActiveTime><locale>en</locale><messageLocale>en</messageLocale></returnval>`,
  Logout: '',
  CurrentTime: `<returnval>${TIME}</returnval>`,
  RetrieveProperties: `<returnval><obj type="Datacenter">ha-datacenter</obj><propSet><name>name</name><val xsi:type="xsd:string">ha-datacenter</val></propSet></returnval>`,
  // The way up from the root folder, at which it ends.
  Ancestors: `<returnval><obj type="Folder">ha-folder-root</obj><propSet><name>name</name><val xsi:type="xsd:string">ha-folder-root</val></propSet></returnval>`,
};

const server = createServer({ key, cert }, (request, response) => {
  let body = '';
  request.on('data', (chunk) => {
    body += chunk;
  });
  request.on('end', () => {
    const method = /<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)/.exec(body)?.[1] ?? '';
    const asked = body.includes('traverseParent') ? 'Ancestors' : method;
    const known = Object.hasOwn(ANSWERS, asked);
    response.writeHead(known ? 200 : 500, { 'content-type': 'text/xml', 'set-cookie': 'vmware_soap_session=1' });
    const answer = known
      ? `<${method}Response xmlns="urn:vim25">${ANSWERS[asked]}</${method}Response>`
      : `<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>no ${method} here</faultstring></soapenv:Fault>`;
    response.end(
      `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>${answer}</soapenv:Body></soapenv:Envelope>`,
    );
  });
});
server.listen(443, '127.0.0.1', () => console.log('listening'));
