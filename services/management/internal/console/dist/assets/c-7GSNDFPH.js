import{n as o,o as m}from"./c-NUUQLGJR.js";function t(){return m("div",{class:"page-head",children:m("h1",{children:o("common.page.admin")})})}export{t as Admin};
